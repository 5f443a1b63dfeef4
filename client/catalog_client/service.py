"""The service's HTTP interface."""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx

_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.5, 2.0
"""How long one question about a job waits for its end: often at first, so that people see it begin."""
_TRIES = 5
_LONGEST_WAIT_S = 30.0
_BUSY = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class ServiceError(RuntimeError):
    """The service refused or could not be reached; the message is for people."""


class Service:
    """Args: key: an API key, where the service asks for one."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(60, read=300), headers=headers)
        self._url = url

    def submit(self, items: Callable[[], Iterable[dict[str, Any]]], options: Mapping[str, Any]) -> dict[str, Any]:
        """Send items as a stream; returns the accepted job.

        Sent again when the connection breaks or the service is busy: it has one effect, whatever had come through.

        Args:
            items: Gives the items, anew for each try.
            options: webhook_url, on_invalid, deadline_s, error_budget; those that are `None` are left out.
        """
        return self._stream("/v1/jobs", items, options)

    def label(self, labels: Callable[[], Iterable[dict[str, Any]]], options: Mapping[str, Any]) -> dict[str, Any]:
        """Send labels as a stream, as `submit` sends items; returns how many were accepted as what."""
        return self._stream("/v1/labels", labels, options)

    def _stream(
        self, path: str, lines: Callable[[], Iterable[dict[str, Any]]], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        query = {name: value for name, value in options.items() if value is not None}
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": secrets.token_hex(16)}
        for attempt in range(1, _TRIES + 1):
            body = (json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines())
            try:
                response = self._http.post(path, content=body, params=query, headers=headers)
            except httpx.TransportError as error:
                if attempt == _TRIES:
                    raise ServiceError(f"{self._url} cannot be reached: {error}") from error
                wait_s = 2.0 ** (attempt - 1)
            else:
                if attempt == _TRIES or response.status_code not in _BUSY:
                    return _answer(response)
                wait_s = float(response.headers.get("Retry-After", 1))
            time.sleep(min(wait_s, _LONGEST_WAIT_S))
        raise AssertionError

    def job(self, job_id: str, wait_s: float = 0) -> dict[str, Any]:
        """As it is once it has ended, or after `wait_s`."""
        return self._json("GET", f"/v1/jobs/{job_id}", params={"wait": wait_s})

    def cancel(self, job_id: str) -> dict[str, Any]:
        return self._json("POST", f"/v1/jobs/{job_id}/cancel")

    def retry(self, job_id: str) -> dict[str, Any]:
        """A new job with the items of an ended one that failed or expired."""
        return self._json("POST", f"/v1/jobs/{job_id}/retry")

    def deliveries(self, job_id: str) -> dict[str, Any]:
        """What became of the job's webhook."""
        return self._json("GET", f"/v1/jobs/{job_id}/deliveries")

    def predict(self, item: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", "/predict", json=item)

    def watch(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The job again and again until it has ended, the last time included."""
        return _until_ended(lambda wait_s: self.job(job_id, wait_s))

    def train(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for a training; returns it as it was accepted."""
        return self._json("POST", "/v1/trainings", json=asked)

    def training(self, training_id: str, wait_s: float = 0) -> dict[str, Any]:
        return self._json("GET", f"/v1/trainings/{training_id}", params={"wait": wait_s})

    def trainings(self) -> dict[str, Any]:
        return self._json("GET", "/v1/trainings")

    def watch_training(self, training_id: str) -> Iterator[dict[str, Any]]:
        """As `watch`."""
        return _until_ended(lambda wait_s: self.training(training_id, wait_s))

    def cancel_training(self, training_id: str) -> dict[str, Any]:
        return self._json("POST", f"/v1/trainings/{training_id}/cancel")

    def models(self) -> dict[str, Any]:
        return self._json("GET", "/v1/models")

    def promote(self, version: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._json("POST", f"/v1/models/{version}/promote", json=asked)

    def rollback(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._json("POST", "/v1/models/rollback", json=asked)

    def drift(self, days: int) -> dict[str, Any]:
        return self._json("GET", "/v1/drift", params={"days": days})

    def results(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Every result that is there, as the service streams them."""
        try:
            with self._http.stream("GET", f"/v1/jobs/{job_id}/results", params={"format": "ndjson"}) as response:
                if response.is_error:
                    response.read()
                    raise ServiceError(_explain(response))
                for line in response.iter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise ServiceError(f"{self._url}: {error}") from error

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise ServiceError(f"{self._url} cannot be reached: {error}") from error
        return _answer(response)


def _until_ended(ask: Callable[[float], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What `ask` answers when it is let wait so many seconds, until it has ended."""
    wait_s = 0.0
    while True:
        found = ask(wait_s)
        yield found
        if found["finished_at"] is not None:
            return
        wait_s = min(_LONGEST_LOOK_S, max(_FIRST_LOOK_S, wait_s * 1.5))


def _answer(response: httpx.Response) -> dict[str, Any]:
    """The document of a 2xx answer; raises `ServiceError` for any other."""
    if response.is_error:
        raise ServiceError(_explain(response))
    answer: dict[str, Any] = response.json()
    return answer


def _explain(response: httpx.Response) -> str:
    """A problem document in words, each wrong item on a line of its own."""
    try:
        problem = response.json()
        lines = [problem["detail"]]
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.text[:500]}"
    for error in problem.get("errors", []):
        line = f", line {error['line']}" if "line" in error else ""
        name = f" (id {error['id']})" if "id" in error else ""
        lines.append(f"  item {error.get('index', '?')}{line}{name} {error.get('pointer', '')}: {error['detail']}")
    return "\n".join(lines)

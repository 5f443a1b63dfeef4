"""The service's HTTP interface."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

_LONGEST_PAUSE_S = 2.0


class ServiceError(RuntimeError):
    """The service refused or could not be reached; the message is for people."""


class Service:
    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=httpx.Timeout(60, read=300))
        self._url = url

    def submit(self, items: Iterable[dict[str, Any]], webhook_url: str | None = None) -> dict[str, Any]:
        """Send items as a stream; returns the accepted job."""
        body = (json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in items)
        query = {"webhook_url": webhook_url} if webhook_url else {}
        headers = {"Content-Type": "application/x-ndjson"}
        return self._json("POST", "/v1/jobs", content=body, params=query, headers=headers)

    def job(self, job_id: str) -> dict[str, Any]:
        return self._json("GET", f"/v1/jobs/{job_id}")

    def cancel(self, job_id: str) -> dict[str, Any]:
        return self._json("POST", f"/v1/jobs/{job_id}/cancel")

    def predict(self, item: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", "/predict", json=item)

    def watch(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The job again and again until it has ended, the last time included."""
        while True:
            job = self.job(job_id)
            yield job
            if job["finished_at"] is not None:
                return
            time.sleep(min(_LONGEST_PAUSE_S, max(0.2, job["counts"]["total"] / 5000)))

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

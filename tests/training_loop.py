"""What a client of the service does between a model and the next one: classify, label, train, see what serves."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.waiting import finished, wait_for

NDJSON = {"Content-Type": "application/x-ndjson"}


@dataclass(frozen=True)
class Loop:
    """A running service with a trainer."""

    api: httpx.Client

    def classify(self, items: Iterable[dict[str, Any]]) -> str:
        """The job's URL."""
        lines = "".join(json.dumps(item) + "\n" for item in items)
        return str(self.api.post("/v1/jobs", content=lines, headers=NDJSON).raise_for_status().json()["url"])

    def results(self, job: str, **asked: str) -> dict[str, dict[str, Any]]:
        """By item, once it has ended."""
        finished(self.api, job, 240)
        answer = self.api.get(f"{job}/results", params={"format": "ndjson", **asked}).raise_for_status()
        results = [json.loads(line) for line in answer.text.splitlines()]
        assert len({result["id"] for result in results}) == len(results), "an item was answered twice"
        return {result["id"]: result for result in results}

    def label(self, labels: Iterable[dict[str, Any]]) -> dict[str, Any]:
        lines = "".join(json.dumps(label) + "\n" for label in labels)
        answer: dict[str, Any] = self.api.post("/v1/labels", content=lines, headers=NDJSON).raise_for_status().json()
        return answer

    def train(self, **asked: Any) -> str:
        """The training's URL."""
        return str(self.api.post("/v1/trainings", json=asked).raise_for_status().json()["url"])

    def training(self, url: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(url).raise_for_status().json()
        return found

    def trained(self, url: str) -> dict[str, Any]:
        """Once it has ended, which it must have as completed."""

        def ended() -> dict[str, Any] | None:
            training = self.training(url)
            return training if training["finished_at"] else None

        training = wait_for(f"{url} ends", ended, 300, pause_s=0.5)
        assert training["state"] == "completed", training["error"]
        return training

    def models(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get("/v1/models").raise_for_status().json()
        return found

    def served(self, bundle: str) -> None:
        wait_for(f"bundle {bundle} is served", lambda: self.api.get("/health").json()["bundles"] == [bundle], 30)

    def catalog(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command, as at a wide terminal; it must succeed."""
        command = [sys.executable, "-m", "catalog_client", *arguments, "--url", str(self.api.base_url)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
        assert ran.returncode == 0, ran.stderr
        return ran


def check_of(training: dict[str, Any], name: str) -> dict[str, Any]:
    """One of the checks in the verdict on a training's model."""
    (found,) = [check for check in training["verdict"]["checks"] if check["name"] == name]
    return dict(found)

"""Finished jobs in a real MLflow."""

import httpx
from mlflow import MlflowClient
from mlflow.entities import Run

from stack.services import Stack
from tests.pictures import in_base64
from tests.waiting import finished, wait_for


def test_each_job_is_one_run(api: httpx.Client, stack: Stack) -> None:
    items = [{"title": "Livre ancien"}, {"title": "Piscine"}, {"image": {"base64": in_base64(b"?")}}]
    job = api.post("/v1/jobs", json={"items": items}).json()
    finished(api, job["url"])
    mlflow = MlflowClient(f"http://127.0.0.1:{stack.ports.mlflow}")

    def logged() -> list[Run]:
        experiment = mlflow.get_experiment_by_name("rakuten-prediction-api")
        if experiment is None:
            return []
        query = f"tags.job = '{job['id']}' and attributes.status = 'FINISHED'"
        return list(mlflow.search_runs([experiment.experiment_id], query))

    (run,) = wait_for("the job is in MLflow", logged)
    metrics = run.data.metrics
    assert (metrics["items"], metrics["succeeded"], metrics["failed"]) == (3, 2, 1)
    assert metrics["error.image_unreadable"] == 1
    unsure = api.get(job["url"]).json()["counts"]["needs_review"]
    assert (metrics["needs_review"], metrics["needs_review.share"]) == (unsure, unsure / 2)
    assert metrics["latency_s"] > 0
    assert 0 < metrics["confidence.p50"] <= 1
    assert sum(value for name, value in metrics.items() if name.startswith("type.")) == 2
    assert run.data.tags["model_version"] == api.get("/health").json()["models"][0]
    assert run.data.tags["state"] == "partial"

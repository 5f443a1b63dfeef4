import httpx
import pytest

from shared.settings import Settings
from stack.processes import free_port
from tests.http import local_client


def test_health_names_redis_workers_and_the_model(api: httpx.Client) -> None:
    health = api.get("/health").raise_for_status().json()
    assert (health["status"], health["redis"]) == ("pass", "ok")
    worker = health["workers"][0]
    assert worker["bundle"] == health["bundles"][0]
    assert worker["runtime"].startswith("openvino")
    assert api.get("/health/live").json() == api.get("/health/ready").json() == {"status": "pass"}


def test_without_a_worker_jobs_are_taken_and_health_warns(redis_port: int, redis: object) -> None:
    url = f"redis://127.0.0.1:{redis_port}"
    with local_client(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", predict_timeout_s=1)) as client:
        assert client.get("/health").json()["status"] == "warn"
        assert client.post("/v1/jobs", json={"items": [{"title": "x"}]}).status_code == 202
        response = client.post("/predict", json={"description": "x"})
        assert response.status_code == 504
        assert client.get(f"/v1/jobs/{response.json()['job_id']}").json()["state"] == "queued"
        refused = client.post("/v1/jobs", json={"items": [{"title": "x"}], "webhook_url": "https://example.com"})
        assert refused.json()["type"].endswith("webhooks-not-configured")


def test_job_is_accepted_although_the_broker_is_unreachable(redis_port: int, redis: object) -> None:
    broker = f"redis://127.0.0.1:{free_port()}"
    settings = Settings(redis_url=f"redis://127.0.0.1:{redis_port}/0", broker_url=broker)
    with local_client(settings) as client:
        response = client.post("/v1/jobs", json={"items": [{"title": "x"}]})
        assert response.status_code == 202
        assert client.get(response.json()["url"]).json()["state"] == "queued"
        assert client.post(f"{response.json()['url']}/cancel").json()["state"] == "cancelled"


@pytest.mark.parametrize("path", ["/v1/jobs", "/predict"])
def test_without_redis_the_answer_is_503_and_the_process_lives(path: str) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    with local_client(Settings(redis_url=url, broker_url=url)) as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health").status_code == 503
        response = client.post(path, json={"items": [{"title": "x"}]} if path == "/v1/jobs" else {"description": "x"})
        assert response.status_code == 503
        assert response.headers["Retry-After"]
        assert response.json()["type"].endswith("store-unavailable")


def test_limits_are_answered_with_their_own_problem(redis_port: int, redis: object) -> None:
    url = f"redis://127.0.0.1:{redis_port}"
    settings = Settings(
        redis_url=f"{url}/0", broker_url=f"{url}/1", max_items=2, max_body_bytes=20_000, max_image_bytes=30
    )
    with local_client(settings) as client:
        many = client.post("/v1/jobs", json={"items": [{"title": "x"}] * 3})
        large = client.post("/v1/jobs", json={"items": [{"title": "x" * 9000}] * 3})
        picture = client.post("/v1/jobs", json={"items": [{"image": {"base64": "QUFB" * 11}}]})
        title = client.post("/v1/jobs", json={"items": [{"title": "x" * 10_001}]})
    assert (many.status_code, many.json()["type"].split(":")[-1]) == (413, "too-many-items")
    assert (large.status_code, large.json()["type"].split(":")[-1]) == (413, "body-too-large")
    assert picture.json()["errors"][0]["detail"] == "the picture has 33 bytes, over 30"
    assert title.json()["errors"][0]["pointer"] == "/items/0/title"

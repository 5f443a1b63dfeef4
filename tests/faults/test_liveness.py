"""A process that no longer makes progress says so, so that its supervisor restarts it."""

import httpx
import psutil

from tests.faults.conftest import Service
from tests.waiting import wait_for


def test_housekeeper_without_celery_beat_is_not_live(parts: Service) -> None:
    stack = parts()
    stack.start_redis()
    housekeeper = stack.start_housekeeper()

    def answer(path: str) -> httpx.Response | None:
        try:
            return httpx.get(f"{stack.process_url('housekeeper')}{path}", timeout=5)
        except httpx.ConnectError:
            return None

    wait_for("it has started", lambda: (told := answer("/ready")) is not None and told.is_success)
    assert httpx.get(f"{stack.process_url('housekeeper')}/live").is_success
    (beat,) = psutil.Process(housekeeper.pid).children()
    beat.kill()
    told = wait_for("it says so", lambda: found if (found := answer("/live")) and found.is_error else None)
    assert told.json()["reasons"] == ["Celery beat, which sends out what is due, has ended"]

"""The primary of a Redis with a replica and sentinels dies: every process goes on by itself."""

from contextlib import ExitStack
from pathlib import Path

from tests.faults.conftest import Figure, client, stack_in
from tests.faults.failovers import Load, fail_over, judged, sentinel_settings, watched_service
from tests.faults.work import freeze, texts, thaw
from tests.redis_servers import Sentinels
from tests.waiting import wait_for

PARTS = ("api", "worker", "housekeeper", "courier")


def test_service_goes_on_after_a_failover_and_back(tmp_path: Path, figure: Figure) -> None:
    with watched_service(tmp_path) as (stack, group):
        pids = {part: stack.process(part).pid for part in PARTS}
        with Load(stack, clients=2) as load:
            load.wait_for_more()
            killed, seconds = fail_over(group)
            figure("failover: until the sentinels name another primary", seconds, "s")
            group.rejoined(killed, as_replica=True)
            load.wait_for_more()
            fail_over(group)
            load.wait_for_more()
        figure("failover: longest time without an accepted job", load.longest_pause_s(), "s")
        verdict = judged(stack, group, load)
        assert (verdict.lost, verdict.doubled, verdict.wrong) == ([], [], [])
        with client(stack) as api:
            wait_for("the worker's status is known again", lambda: api.get("/health").json()["status"] == "pass")
        assert {part: stack.process(part).pid for part in PARTS if stack.process(part).running} == pids


def test_job_that_a_replica_must_confirm_outlives_a_primary_whose_replica_lagged(tmp_path: Path) -> None:
    with ExitStack() as running:
        group = running.enter_context(Sentinels(tmp_path / "redis"))
        stack = stack_in(tmp_path / "stack", {**sentinel_settings(group), "CATALOG_CONFIRM_REPLICAS": "1"})
        running.callback(stack.close)
        stack.start_api()
        api, key = running.enter_context(client(stack)), {"Idempotency-Key": "until a replica has it"}
        (replica,) = (server for server in group.servers if server is not group.primary())
        freeze(replica.process)
        unsure = api.post("/v1/jobs", json={"items": texts(1)}, headers=key)
        assert (unsure.status_code, unsure.json()["type"].rpartition(":")[2]) == (503, "not-on-disk")
        assert int(unsure.headers["Retry-After"]) > 0
        thaw(replica.process)
        confirmed = api.post("/v1/jobs", json={"items": texts(1)}, headers=key)
        assert (confirmed.status_code, confirmed.json()["id"]) == (202, unsure.json()["job_id"])
        fail_over(group)
        wait_for("the API finds the new primary", lambda: api.get(confirmed.json()["url"]).status_code == 200)

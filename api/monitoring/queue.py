"""The queue, the workers and trainers, and Redis's memory."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from api.monitoring.families import counter, gauge
from shared.ledger import MEMORY, LaneFigures, QueueFigures, Quotas, Trainings
from shared.queues import TRAINING, Lane, messages_waiting
from shared.telemetry.worker_status import alive, trainers_alive

LANES = (*(lane.value for lane in Lane), TRAINING)
_LANE = ("lane",)
_NONE = "none"


class QueueCollector(Collector):
    """The ledger's figures: what waits in each lane, what is in flight, and how jobs ended."""

    def __init__(self, redis: Redis) -> None:
        self._figures = QueueFigures(redis, LANES)
        self._trainings = Trainings(redis)

    def collect(self) -> Iterator[Metric]:
        figures = self._figures.read()

        def lanes(name: str, what: str, value: Callable[[LaneFigures], float]) -> Metric:
            return gauge(
                name, what, _LANE, (((lane,), value(lane_figures)) for lane, lane_figures in figures.lanes.items())
            )

        yield lanes("queue_items", "Items without an outcome, including those in flight.", lambda lane: lane.items)
        yield lanes("queue_in_flight_items", "Items of leased chunks.", lambda lane: lane.in_flight)
        yield lanes("queue_ready_chunks", "Chunks that wait for a worker.", lambda lane: lane.ready)
        yield lanes("queue_leased_chunks", "Chunks that a worker has leased.", lambda lane: lane.leased)
        yield lanes(
            "queue_oldest_age_seconds",
            "Age of the oldest job with a chunk that waits for a worker; 0 if there is none.",
            lambda lane: lane.oldest_age_s,
        )
        yield counter(
            "jobs_accepted",
            "Jobs accepted since Redis was empty.",
            _LANE,
            (((lane,), lane_figures.accepted) for lane, lane_figures in figures.lanes.items()),
        )
        yield counter(
            "items_accepted",
            "Items accepted, without those skipped as invalid.",
            _LANE,
            (((lane,), lane_figures.accepted_items) for lane, lane_figures in figures.lanes.items()),
        )
        yield counter(
            "jobs",
            "Jobs that have ended, by state.",
            ("lane", "state"),
            (
                ((lane, state), n)
                for lane, lane_figures in figures.lanes.items()
                for state, n in lane_figures.ended.items()
            ),
        )
        yield counter(
            "trainings",
            "Trainings that have ended, by state.",
            ("state",),
            (((state,), n) for state, n in figures.lanes[TRAINING].ended.items()),
        )
        yield gauge(
            "training_stage_seconds",
            "Duration of each stage in the last completed training that ran it.",
            ("stage",),
            (((stage,), seconds) for stage, seconds in self._trainings.durations().items()),
        )
        yield gauge(
            "outbox_messages",
            "Messages of ended jobs that are due now or later.",
            ("outbox",),
            (((name,), outbox.messages) for name, outbox in figures.outboxes.items()),
        )
        yield gauge(
            "outbox_oldest_due_seconds",
            "How long the first message has been due; 0 if none is.",
            ("outbox",),
            (((name,), outbox.overdue_s) for name, outbox in figures.outboxes.items()),
        )


class WorkersCollector(Collector):
    """The workers and trainers that have reported to Redis in the last seconds."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        workers, trainers = alive(self._redis), trainers_alive(self._redis)
        serving = Counter((worker.runtime or _NONE, worker.bundle or _NONE) for worker in workers)
        yield gauge(
            "workers",
            "Workers alive, by what they serve; none: no model yet.",
            ("runtime", "bundle"),
            ({(_NONE, _NONE): 0} | serving).items(),
        )
        refusing = sum(worker.warning is not None for worker in workers)
        yield gauge("workers_refusing_champion", "Workers that do not serve the champion.", (), [((), refusing)])
        busy = sum(trainer.training is not None for trainer in trainers)
        yield gauge("trainers", "Trainers alive.", (), [((), len(trainers))])
        yield gauge("trainers_busy", "Trainers that are running a training.", (), [((), busy)])


class RedisCollector(Collector):
    """Redis' memory: nothing is evicted, so from a share of it on, no job is accepted; and what was refused.

    There is no series per tenant, because there may be any number of them.
    """

    def __init__(self, redis: Redis, accepting_share: float) -> None:
        self._quotas = Quotas(redis)
        self._accepting_share = accepting_share

    def collect(self) -> Iterator[Metric]:
        used, limit = self._quotas.redis_memory()
        yield gauge("redis_memory_bytes", "Memory that Redis uses.", (), [((), used)])
        yield gauge(
            "redis_memory_limit_bytes", "Memory that Redis may use, or that its machine has.", (), [((), limit)]
        )
        yield gauge(
            "redis_memory_accepting_bytes",
            "Memory used by Redis from which on nothing is accepted.",
            (),
            [((), limit * self._accepting_share)],
        )
        yield gauge(
            "tenant_memory_bytes_max",
            "Memory of Redis that the jobs of the tenant with the most of it take.",
            (),
            [((), self._quotas.largest_memory())],
        )
        refused = {(refusal.whose, refusal.what): refusal.requests for refusal in self._quotas.refusals()}
        limits = [(whose, what) for whose in ("all", "tenant") for what in (*LANES, MEMORY)]
        yield counter(
            "refusals",
            "Requests refused because a limit of all tenants, or of one, was reached: a lane's items, or memory.",
            ("whose", "what"),
            ((limit, refused.get(limit, 0)) for limit in limits),
        )


class WakeupsCollector(Collector):
    """Celery's broker, which may be another Redis; if it is unreachable, the other metrics are still served."""

    def __init__(self, broker: Redis) -> None:
        self._broker = broker

    def collect(self) -> Iterator[Metric]:
        try:
            waiting = messages_waiting(self._broker)
        except RedisError:
            waiting = {}
        yield gauge("broker_up", "1 if Celery's broker answers, else 0.", (), [((), float(bool(waiting)))])
        yield gauge(
            "wakeups",
            "Messages waiting in Celery's queues.",
            ("queue",),
            (((queue,), messages) for queue, messages in waiting.items()),
        )

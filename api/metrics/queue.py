"""The queue, who works on it, and what Redis has room for."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from api.metrics.families import counter, gauge
from shared.ledger import LaneFigures, QueueFigures, Trainings
from shared.queues import TRAINING, Lane, messages_waiting
from shared.telemetry.worker_status import alive, trainers_alive

LANES = (*(lane.value for lane in Lane), TRAINING)
_LANE = ("lane",)
_NONE = "none"


class QueueCollector(Collector):
    """Of the ledger: what waits in each lane, what is in flight, and what has become of it."""

    def __init__(self, redis: Redis) -> None:
        self._figures = QueueFigures(redis, LANES)
        self._trainings = Trainings(redis)

    def collect(self) -> Iterator[Metric]:
        figures = self._figures.read()

        def lanes(name: str, what: str, value: Callable[[LaneFigures], float]) -> Metric:
            return gauge(name, what, _LANE, (((lane,), value(found)) for lane, found in figures.lanes.items()))

        yield lanes("queue_items", "Items without an outcome, those in flight included.", lambda lane: lane.items)
        yield lanes("queue_in_flight_items", "Items of the chunks that are leased.", lambda lane: lane.in_flight)
        yield lanes("queue_ready_chunks", "Chunks that nobody has in hand.", lambda lane: lane.ready)
        yield lanes("queue_leased_chunks", "Chunks that somebody has in hand.", lambda lane: lane.leased)
        yield lanes(
            "queue_oldest_age_seconds",
            "Since the acceptance of the oldest job with a chunk that nobody has taken; 0 where there is none.",
            lambda lane: lane.oldest_age_s,
        )
        yield counter(
            "jobs_accepted",
            "Jobs accepted, since Redis was empty.",
            _LANE,
            (((lane,), found.accepted) for lane, found in figures.lanes.items()),
        )
        yield counter(
            "items_accepted",
            "Items accepted, those that were skipped excluded.",
            _LANE,
            (((lane,), found.accepted_items) for lane, found in figures.lanes.items()),
        )
        yield counter(
            "jobs",
            "Jobs that have ended, by how.",
            ("lane", "state"),
            (((lane, state), n) for lane, found in figures.lanes.items() for state, n in found.ended.items()),
        )
        yield counter(
            "trainings",
            "Trainings that have ended, by how.",
            ("state",),
            (((state,), n) for state, n in figures.lanes[TRAINING].ended.items()),
        )
        yield gauge(
            "training_stage_seconds",
            "What each stage took in the last training that completed and ran it.",
            ("stage",),
            (((stage,), seconds) for stage, seconds in self._trainings.durations().items()),
        )
        yield gauge(
            "outbox_messages",
            "Messages of ended jobs that are due, or will be.",
            ("outbox",),
            (((name,), found.messages) for name, found in figures.outboxes.items()),
        )
        yield gauge(
            "outbox_oldest_due_seconds",
            "For how long the first message has been due; 0 where none is.",
            ("outbox",),
            (((name,), found.overdue_s) for name, found in figures.outboxes.items()),
        )


class WorkersCollector(Collector):
    """Who has told Redis in the last seconds that it lives."""

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
        yield gauge(
            "workers_refusing_champion", "Workers that do not serve the model they should.", (), [((), refusing)]
        )
        busy = sum(trainer.training is not None for trainer in trainers)
        yield gauge("trainers", "Trainers alive.", (), [((), len(trainers))])
        yield gauge("trainers_busy", "Trainers that are at a training.", (), [((), busy)])


class RedisCollector(Collector):
    """Redis evicts nothing: once its memory is full, no job is accepted."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        memory = self._redis.info("memory")
        yield gauge("redis_memory_bytes", "What Redis holds.", (), [((), memory["used_memory"])])
        limit = memory["maxmemory"] or memory["total_system_memory"]
        yield gauge("redis_memory_limit_bytes", "What it may hold, or the machine has.", (), [((), limit)])


class WakeupsCollector(Collector):
    """Celery's broker, which may be another Redis; one that is away leaves the other figures as they are."""

    def __init__(self, broker: Redis) -> None:
        self._broker = broker

    def collect(self) -> Iterator[Metric]:
        try:
            waiting = messages_waiting(self._broker)
        except RedisError:
            waiting = {}
        yield gauge("broker_up", "1 where Celery's broker answers, else 0.", (), [((), float(bool(waiting)))])
        yield gauge(
            "wakeups",
            "Messages that wait in Celery's queues.",
            ("queue",),
            (((queue,), messages) for queue, messages in waiting.items()),
        )

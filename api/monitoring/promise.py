"""How the promises of precise answers stand, as the housekeeper has seen them last."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from redis import Redis

from api.monitoring.families import gauge
from shared.ledger import Promises
from shared.promise import PromiseState


class PromiseCollector(Collector):
    """The tenants' promises together: there is no series per tenant, because there may be any number of them."""

    def __init__(self, redis: Redis) -> None:
        self._promises = Promises(redis)

    def collect(self) -> Iterator[Metric]:
        figures = self._promises.noted()
        states = Counter(one.state for one in figures)
        audited = [one for one in figures if one.audited]
        thresholds = [one.threshold for one in figures if one.threshold is not None]
        yield gauge(
            "promise_tenants",
            "Tenants of whose answers some were decided, by whether the promise of precise answers is kept.",
            ("state",),
            (((state.value,), states[state.value]) for state in PromiseState),
        )
        yield gauge("audited_answers", "Audited answers of 13 weeks.", (), [((), sum(one.audited for one in figures))])
        yield gauge(
            "audited_precision_bound_min",
            "Lower bound of the precision of accepted answers, of the tenant for whom it is lowest.",
            (),
            [((), min((one.at_least for one in audited), default=None))],
        )
        yield gauge(
            "review_threshold_max",
            "Confidence from which on answers are accepted, of the tenant for whom it is highest.",
            (),
            [((), max(thresholds, default=None))],
        )

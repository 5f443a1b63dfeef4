"""The service of a classifying worker: takes chunks when it is woken up, and stops without losing any."""

import logging
import os
import threading

from celery import Celery
from redis import RedisError

from shared.drift import Drift
from shared.ledger import TERMINAL, Ledger
from shared.queues import Lane, reconcile_soon, wake
from shared.settings import Settings
from shared.stores.opening import open_blobs, open_redis
from shared.stores.taxonomies import LatestTaxonomy
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from shared.taxonomy import Taxonomy
from shared.telemetry import tracing
from shared.telemetry.worker_status import WorkerStatus, announce, withdraw
from worker.classify.acceptance import AcceptedAnswers
from worker.classify.caches import FeatureCache, PredictionCache, backbone_key
from worker.classify.chunk_processor import ChunkProcessor
from worker.classify.classification import Classifier
from worker.classify.held_chunks import HeldChunks
from worker.classify.host_turns import HostTurns
from worker.classify.lane_slots import LaneSlots
from worker.classify.model_slot import ModelSlot
from worker.classify.picture_source import PictureSource
from worker.classify.pictures import MAX_PIXELS, Pictures
from worker.classify.projections import Projections
from worker.classify.trouble import Trouble
from worker.process.heartbeat import Heartbeat
from worker.serving import engine_metrics
from worker.serving.champion import Champion
from worker.serving.engine import Engine

log = logging.getLogger(__name__)

_FINISH_S = 5.0
"""How long a worker that is told to stop works on its chunks before it hands them back and exits."""


class ClassifierService:
    """One per process: brings together the model that serves, the chunks held, and the heartbeat."""

    def __init__(self, app: Celery, settings: Settings, name: str) -> None:
        self._app = app
        self._name = name
        self._settings = settings
        self._redis = open_redis(settings)
        self._ledger = Ledger(self._redis)
        self._drift = Drift(self._redis, settings.keep_drift_days)
        self._taxonomies = PublishedTaxonomies(self._redis, settings.keep_drift_days)
        self._published: str | None = None
        """The bundle that others know to be in service here."""
        self._announcing = threading.Lock()
        self._slots = LaneSlots(settings.bulk_slots, settings.prepare_threads)
        self._chunks = HeldChunks(self._ledger, settings.chunk_timeout_s)
        self._trouble = Trouble()
        self._acceptance = AcceptedAnswers(self._redis, settings.audit_share)
        work = (self._chunks, self._slots, self._trouble, self._acceptance)
        self._processor = ChunkProcessor(settings, self._redis, *work)
        turns = HostTurns(self._redis, settings.fetches_per_host, settings.image_timeout_s)
        self._source = PictureSource(settings, open_blobs(settings), turns)
        self._predictions = PredictionCache(self._redis, limit) if (limit := settings.cached_predictions) else None
        self._latest_taxonomy = LatestTaxonomy(self._redis)
        self._features: FeatureCache | None = None
        self._model_slot = ModelSlot()
        self._champion = Champion(settings, self._redis, self._take_over)
        self._draining = threading.Event()
        self._stopped = threading.Event()
        self._heartbeat = Heartbeat(self._beat)

    def start(self) -> None:
        self._champion.start()
        self._heartbeat.start()

    def drain(self) -> None:
        """Take no more chunks, and exit within seconds; chunks that are not finished by then are handed back."""
        if not self._draining.is_set():
            self._draining.set()
            threading.Thread(target=self._exit_in_time, name="drain", daemon=True).start()

    def stop(self) -> None:
        """Hand back all chunks, and withdraw the worker's status."""
        self._stopped.set()
        self._heartbeat.stop()
        self._leave()
        self._champion.stop()
        if self._features is not None:
            self._features.close()

    def liveness_problem(self) -> str | None:
        """Why the worker makes no progress; `None` if it does."""
        return self._heartbeat.problem()

    def readiness_problem(self) -> str | None:
        """Why the worker classifies nothing; `None` if it does."""
        return "it is ending" if self._draining.is_set() else self._champion.problem

    def work(self, lane: Lane) -> None:
        """Take chunks of the lane, one after the other, while there are any and a slot is free.

        One wake-up per chunk would cost as much as the work on a short chunk.
        """
        with self._slots.slot(lane) as free:
            while free and not self._draining.is_set() and self._take_chunk(lane):
                pass

    def _take_chunk(self, lane: Lane) -> bool:
        """Work on one chunk; returns whether there was one."""
        with self._model_slot.in_use() as classifier:
            lease = self._ledger.lease(lane) if classifier is not None else None
            if lease is None or classifier is None:
                return False
            if self._processor.process(lease, lane, classifier) in TERMINAL:
                reconcile_soon(self._app)
            return True

    # The model

    def _take_over(self, engine: Engine) -> None:
        """Let the engine serve; returns once the previous one is no longer in use."""
        previous, self._features = self._features, self._features_of(engine)
        pictures = Pictures(engine, self._source, MAX_PIXELS, self._features)
        projections = Projections(engine.bundle, self._put_taxonomy)
        self._model_slot.hand_over(Classifier(engine, pictures, projections, self._predictions))
        engine_metrics.serving(engine.bundle.id, engine.runtime.name, engine.micro_batch, engine.pictures_per_s)
        if previous is not None and previous is not self._features:
            previous.close()
        self._wake_for_waiting_chunks()

    def _put_taxonomy(self) -> Taxonomy | None:
        """Return the taxonomy that somebody has put last, `None` while nobody has; one round trip."""
        latest = self._latest_taxonomy.read()
        return None if latest is None else latest.taxonomy

    def _features_of(self, engine: Engine) -> FeatureCache | None:
        """Return the feature cache of the engine's backbone: the one in use if that is the same."""
        if not self._settings.cached_features:
            return None
        key = backbone_key(engine.bundle, engine.runtime.name)
        if self._features is not None and self._features.backbone == key:
            return self._features
        return FeatureCache(self._settings.feature_cache, key, self._settings.cached_features)

    def _wake_for_waiting_chunks(self) -> None:
        """Announce the model, and send new wake-ups for chunks that wait: earlier ones came before the model."""
        try:
            self._announce()
            for lane in Lane:
                wake(self._app, lane, min(self._ledger.ready(lane), self._settings.bulk_slots))
        except RedisError as error:
            log.warning("waiting chunks are left to the housekeeper: %s", error)

    # The heartbeat

    def _beat(self) -> None:
        try:
            self._announce()
            self._chunks.renew()
        finally:
            self._exit_if_overdue()

    def _announce(self) -> None:
        """Tell what serves here; by then the categories of that model are in force."""
        with self._announcing:
            self._publish_bundle()
            announce(self._redis, self._status())

    def _publish_bundle(self) -> None:
        # Not part of `_beat`, whose frame would keep a replaced engine in memory until the next beat.
        if engine := self._champion.engine:
            bundle = engine.bundle
            self._drift.publish(bundle.id, bundle.reference)
            self._acceptance.publish(bundle)
            published = PublishedBundle(bundle.id, bundle.taxonomy, bundle.codes)
            self._taxonomies.publish(published, taken_over=bundle.id != self._published)
            self._published = bundle.id

    def _status(self) -> WorkerStatus:
        engine = self._champion.engine
        return WorkerStatus(
            name=self._name,
            bundle=engine.bundle.id if engine else None,
            runtime=engine.runtime.name if engine else None,
            reason=self._champion.reason,
            micro_batch=engine.micro_batch if engine else None,
            pictures_per_s=engine.pictures_per_s if engine else None,
            problem=self._champion.problem,
            warning=self._champion.warning,
            slots=self._settings.bulk_slots,
            trouble=self._trouble.warning,
        )

    # The end

    def _exit_if_overdue(self) -> None:
        """A stuck thread cannot be ended by itself: exit, and let the supervisor start a fresh worker."""
        if overdue := self._chunks.overdue():
            log.critical("chunks %s are not done in time: this worker exits", overdue)
            self._exit(os.EX_SOFTWARE)

    def _exit_in_time(self) -> None:
        """Celery would wait for its threads without limit, and one of them may wait for a slow host."""
        if not self._stopped.wait(_FINISH_S):
            log.warning("told to stop: unfinished chunks are handed back")
            self._exit(os.EX_OK)

    def _exit(self, status: int) -> None:
        self._leave()
        tracing.finish()
        logging.shutdown()
        os._exit(status)

    def _leave(self) -> None:
        self._draining.set()
        self._chunks.hand_back()
        try:
            withdraw(self._redis, self._name)
        except RedisError as error:
            log.warning("the worker's status is left to expire: %s", error)

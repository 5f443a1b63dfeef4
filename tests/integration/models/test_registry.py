"""MLflow's registry in a SQLite file: promotions, rollbacks, and the copy that everybody else looks at."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from redis import Redis

from shared.ledger import PromiseFigures, Promises
from shared.model.bundle import Bundle, BundleError, UnreachableError
from shared.pipeline.stages import GateCheck, GateVerdict
from shared.registry import mlflow as registry
from shared.registry.state import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ChangeAnswer,
    ChangeKind,
    ChangeRequest,
    Models,
    RegistryState,
    answer_key,
)
from shared.settings import ROOT, Settings, get_settings, local_bundle
from shared.tenants.admin_log import AdminLog
from tests.bundles import another
from training.pipeline.layout import STARTER
from worker.serving.registry_service import RegistryService

NAME = "rakuten-classification"

Register = Callable[[Bundle], str]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def settings(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of this process, with an empty registry."""
    shutil.copy(empty, tmp_path / "mlflow.db")
    monkeypatch.setenv("CATALOG_MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("CATALOG_MODEL_CACHE", str(tmp_path / "cache"))
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


@pytest.fixture
def register(settings: Settings, tmp_path: Path) -> Register:
    """A bundle, logged by a run of its own, becomes the next version."""

    def register(bundle: Bundle) -> str:
        mlflow = registry.client()
        found = mlflow.get_experiment_by_name("trainings")
        experiment = found.experiment_id if found else mlflow.create_experiment("trainings", (tmp_path / "a").as_uri())
        run = mlflow.create_run(experiment).info.run_id
        mlflow.log_artifacts(run, str(bundle.folder), "bundle")
        return registry.register(bundle, NAME, run, {"test.fusion.weighted_f1": 0.75})

    return register


@pytest.fixture
def bundles(tmp_path: Path) -> list[Bundle]:
    starter = Bundle.load(ROOT / STARTER)
    return [starter, *(another(starter, tmp_path / f"bundle{weight}", weight) for weight in (0.5, 0.6))]


def _aliases(state: RegistryState) -> tuple[str | None, str | None, str | None]:
    champion, previous, challenger = (state.aliases.get(alias) for alias in (CHAMPION, PREVIOUS, CHALLENGER))
    return champion, previous, challenger


def test_registered_bundle_serves_only_after_promotion(register: Register, bundles: list[Bundle]) -> None:
    assert registry.state() == RegistryState(name=NAME)
    versions = [register(bundle) for bundle in bundles]
    assert versions == ["1", "2", "3"]
    state = registry.state()
    assert _aliases(state) == (None, None, "3")
    assert [version.version for version in state.versions] == ["3", "2", "1"]
    assert [version.bundle for version in state.versions] == [bundle.id for bundle in reversed(bundles)]
    assert state.versions[0].figures == {"test.fusion.weighted_f1": 0.75}
    assert registry.version_of(bundles[1].id) == "2"
    assert registry.version_of("000000000000") is None

    assert _aliases(registry.promote("1", "ann", "the first one")) == ("1", None, "3")
    assert _aliases(registry.promote("3", "bob", "better")) == ("3", "1", None)
    again = registry.promote("3", "bob", "twice")
    assert _aliases(again) == ("3", "1", None)
    assert [(change.by, change.why, change.champion, change.previous) for change in again.history] == [
        ("bob", "better", "3", "1"),
        ("ann", "the first one", "1", None),
    ]
    assert again.history[0].at > again.history[1].at
    tags = registry.client().get_model_version(NAME, "3").tags
    assert (tags["promoted_by"], tags["promoted_why"]) == ("bob", "better")
    assert tags["promoted_at"]


def test_rollback_can_itself_be_rolled_back(register: Register, bundles: list[Bundle]) -> None:
    with pytest.raises(registry.RegistryError, match="nothing to roll back"):
        registry.rollback("ann", "too early")
    for bundle in bundles[:2]:
        registry.promote(register(bundle), "ann", "next")
    assert _aliases(registry.rollback("bob", "it is worse")) == ("1", "2", None)
    assert _aliases(registry.rollback("bob", "it was not")) == ("2", "1", None)
    assert [change.kind for change in registry.state().history] == ["rollback", "rollback", "promote", "promote"]


def test_the_first_promotion_is_rolled_back_to_the_local_bundle(register: Register, bundles: list[Bundle]) -> None:
    registry.promote(register(bundles[0]), "ann", "the first one")
    assert _aliases(registry.rollback("ann", "worse than the starter")) == (None, "1", None)
    assert _aliases(registry.rollback("ann", "no")) == ("1", None, None)


def test_promotion_of_an_unknown_version_changes_nothing(register: Register, bundles: list[Bundle]) -> None:
    registry.promote(register(bundles[0]), "ann", "")
    for version in ("2", "one", ""):
        with pytest.raises(registry.UnknownVersionError, match="no version"):
            registry.promote(version, "ann", "")
    assert len(registry.state().history) == 1


def test_the_gates_verdict_is_on_the_version(register: Register, bundles: list[Bundle]) -> None:
    version = register(bundles[0])
    check = GateCheck(name="weighted_f1", passed=True, detail="0.8 instead of 0.7", figures={"difference": 0.1})
    verdict = GateVerdict(
        challenger=bundles[0].id, champion=None, items=10, passed=True, detail="better", checks=(check,)
    )
    registry.record_verdict(version, verdict)
    found = registry.state().find(version)
    assert found is not None
    assert found.verdict == verdict
    described = registry.client().get_model_version(NAME, version).description
    assert described == "better\n\n* passed: weighted_f1. 0.8 instead of 0.7"
    model = registry.client().get_registered_model(NAME)
    assert "into one of its categories" in model.description


def _verdict(bundle: Bundle) -> GateVerdict:
    return GateVerdict(challenger=bundle.id, champion=None, items=10, passed=True, detail="better", checks=())


@pytest.mark.parametrize("variable", ["CATALOG_TRIAL", "DVC_EXP_NAME"])
def test_a_trial_does_not_become_challenger_until_it_is_trained_for_promotion(
    variable: str, register: Register, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(bundles[0])
    monkeypatch.setenv(variable, "true")
    get_settings.cache_clear()
    trial = register(bundles[1])
    registry.record_verdict(trial, _verdict(bundles[1]))
    assert (trial, registry.state().aliases) == ("2", {CHALLENGER: "1"})
    monkeypatch.delenv(variable)
    get_settings.cache_clear()
    registry.record_verdict("1", _verdict(bundles[0]))
    assert registry.state().aliases == {CHALLENGER: "1"}
    registry.record_verdict(trial, _verdict(bundles[1]))
    assert registry.state().aliases == {CHALLENGER: "2"}


def test_a_promoted_trial_stays_champion_alone(
    register: Register, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_TRIAL", "true")
    get_settings.cache_clear()
    version = register(bundles[0])
    monkeypatch.delenv("CATALOG_TRIAL")
    get_settings.cache_clear()
    registry.promote(version, "ann", "the best of the sweep")
    registry.record_verdict(version, _verdict(bundles[0]))
    assert registry.state().aliases == {CHAMPION: version}


def test_the_cache_keeps_what_aliases_name_and_the_last_few(
    register: Register, settings: Settings, tmp_path: Path
) -> None:
    starter = Bundle.load(ROOT / STARTER)
    made = [another(starter, tmp_path / f"made{number}", number / 10) for number in range(1, 9)]
    for bundle in made:
        version = register(bundle)
        fetched = registry.fetch(f"models:/{NAME}/{version}", settings.model_cache)
        assert fetched.id == bundle.id
        if version == "1":
            registry.promote(version, "ann", "")
    kept = {path.name for path in settings.model_cache.iterdir()}
    assert kept == {bundle.id for bundle in (made[0], *made[-5:])}


def test_damaged_bundle_is_fetched_again_from_the_cache_and_refused_from_the_store(
    register: Register, bundles: list[Bundle], settings: Settings
) -> None:
    uri = f"models:/{NAME}/{register(bundles[0])}"
    folder = registry.fetch(uri, settings.model_cache).folder
    (folder / "text.npz").write_bytes(b"damaged")
    assert registry.fetch(uri, settings.model_cache).id == bundles[0].id
    shutil.rmtree(folder)
    stored = Path(str(registry.client().get_model_version(NAME, "1").source).removeprefix("file://"))
    (stored / "text.npz").write_bytes(b"damaged")
    with pytest.raises(BundleError, match="sha256 differs"):
        registry.fetch(uri, settings.model_cache)
    assert list(settings.model_cache.iterdir()) == [], "nothing damaged is kept"
    shutil.rmtree(stored)
    with pytest.raises(UnreachableError, match="cannot be fetched"):
        registry.fetch(uri, settings.model_cache)


def test_a_tag_that_names_no_bundle_leads_to_no_folder(
    register: Register, bundles: list[Bundle], settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "letter.txt").write_text("made up")
    settings.model_cache.mkdir()
    (settings.model_cache / "letter.txt").write_text("made up")
    version, service = register(bundles[0]), RegistryService(settings, redis)
    for name in (str(victim), ".", "..", "", "a" * 11 + "/", "A" * 12, "../victim"):
        registry.client().set_model_version_tag(NAME, version, "bundle", name)
        with pytest.raises(BundleError, match="a tag bundle that is not the name of a bundle"):
            registry.fetch(f"models:/{NAME}/{version}", settings.model_cache)
    service.promote(version, "ann", "its tag leads elsewhere")
    with pytest.raises(BundleError, match="a tag bundle that is not the name of a bundle"):
        service.champion()  # as a worker fetches it: in a process of its own
    assert [path.name for path in victim.iterdir()] == ["letter.txt"]
    assert [path.name for path in settings.model_cache.iterdir()] == ["letter.txt"]


def test_a_version_whose_source_is_elsewhere_gets_its_own_runs_files(
    register: Register, bundles: list[Bundle], settings: Settings
) -> None:
    run = registry.client().get_model_version(NAME, register(bundles[0])).run_id
    elsewhere = str(registry.client().get_model_version(NAME, register(bundles[1])).source)
    version = (
        registry.client().create_model_version(NAME, elsewhere, run_id=run, tags={"bundle": bundles[0].id}).version
    )
    assert registry.fetch(f"models:/{NAME}/{version}", settings.model_cache).id == bundles[0].id
    strange = registry.client().create_model_version(NAME, elsewhere, tags={"bundle": bundles[2].id}).version
    with pytest.raises(BundleError, match="registered by no training"):
        registry.fetch(f"models:/{NAME}/{strange}", settings.model_cache)


WRONG_TAGS = [
    ("test.fusion.weighted_f1", "good"),
    ("test.fusion.weighted_f1", "nan"),
    ("test.made.up", "1e999"),
    ("gate.verdict", "passed"),
    ("gate.verdict", '{"passed": true}'),
    ("gate.verdict", '{"challenger": "a", "champion": null, "items": 1, "passed": true, "detail": "", "checks": '
     '[{"name": "golden", "passed": true, "detail": "", "figures": {"a": NaN}}]}'),
    ("bundle", "../victim"),
]  # fmt: skip


def test_tags_of_a_wrong_form_stop_no_promotion(
    register: Register, bundles: list[Bundle], settings: Settings, redis: Redis
) -> None:
    service, odd, versions = RegistryService(settings, redis), register(bundles[0]), []
    for key in ("change.2", "change.2026-01-01T00:00:00.000000Z"):
        registry.client().set_registered_model_tag(NAME, key, '{"kind": "promote"}')
    others = [register(bundle) for bundle in bundles[1:]]
    for (tag, value), version in zip(WRONG_TAGS, itertools.cycle(others)):
        registry.client().set_model_version_tag(NAME, odd, tag, value)
        state = service.promote(version, "ann", "better")
        versions.append(version)
        assert state.aliases[CHAMPION] == version
        assert [change.champion for change in state.history] == versions[::-1]
        copy = Models(redis).copy()
        assert copy is not None
        assert copy.state == state
        found = copy.state.find(odd)
        assert found is not None
        assert (found.figures, found.verdict) == ({}, None)
    assert registry.version_of(bundles[0].id) is None, "its tag names another"


def test_each_change_is_in_the_administrative_log_with_the_gates_word(
    register: Register, bundles: list[Bundle], settings: Settings, redis: Redis
) -> None:
    service = RegistryService(settings, redis)
    versions = [register(bundle) for bundle in bundles[:3]]
    for version, passed in zip(versions, (True, False), strict=False):
        verdict = GateVerdict(
            challenger="0" * 12, champion="1" * 12, items=9, passed=passed, detail="It is so.", checks=()
        )
        registry.record_verdict(version, verdict)
    for version in versions:
        service.promote(version, "shop/0123", "better")
    service.rollback("shop/0123", "worse")
    assert [(entry.act, entry.by, dict(entry.facts)) for entry in AdminLog(redis).entries()] == [
        ("model.promoted", "shop/0123", {"version": versions[0], "gate": "passed", "why": "better"}),
        ("model.promoted", "shop/0123", {"version": versions[1], "gate": "refused", "why": "better"}),
        ("model.promoted", "shop/0123", {"version": versions[2], "gate": "not judged", "why": "better"}),
        ("model.rolled_back", "shop/0123", {"why": "worse"}),
    ]


def test_each_change_is_published_in_redis(
    register: Register, bundles: list[Bundle], settings: Settings, redis: Redis
) -> None:
    models, service = Models(redis), RegistryService(settings, redis)
    assert models.copy() is None
    versions = [register(bundle) for bundle in bundles[:2]]
    with models.listening() as listener:
        service.refresh()
        assert listener.wait(5)
        service.refresh()
        assert not listener.wait(0.2), "nothing is new"
        service.promote(versions[0], "ann", "the first one")
        assert listener.wait(5)
    copy = models.copy()
    assert copy is not None
    assert copy.state == registry.state()
    assert service.champion().id == bundles[0].id
    service.promote(versions[1], "ann", "better")
    service.rollback("ann", "or not")
    service.rollback("ann", "it is")
    assert service.champion().id == bundles[1].id


def test_the_version_in_service_is_told_how_its_promise_stands(
    register: Register, bundles: list[Bundle], settings: Settings, redis: Redis
) -> None:
    service, promises = RegistryService(settings, redis), Promises(redis)
    versions = [register(bundle) for bundle in bundles[:2]]
    promises.note({"a": PromiseFigures("kept", 0.8, 412, 0.97, 0.9461), "b": PromiseFigures("open", 0.8, 0, None, 0)})
    service.refresh_models()
    assert [_promise(version) for version in versions] == [None, None], "none of them serves"
    service.promote(versions[0], "ann", "the first one")
    service.refresh_models()
    assert _promise(versions[0]) == (
        "The promise of precise answers is, by tenants: kept for 1, open for 1. At least 94.6% of the accepted answers "
        "are right (95% sure) for the tenant with the lowest bound, by 412 audited ones."
    )
    promises.note({"a": PromiseFigures("open", 0.8, 0, None, 0)})
    service.promote(versions[1], "ann", "better")
    service.refresh_models()
    assert "No accepted answer was audited" in (_promise(versions[1]) or "")


def _promise(version: str) -> str | None:
    tags: dict[str, str] = registry.client().get_model_version(NAME, version).tags
    return tags.get("promise")


def test_waiting_client_is_answered_after_any_failure(
    register: Register, bundles: list[Bundle], settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    models, service = Models(redis), RegistryService(settings, redis)
    version = register(bundles[0])

    def answered(kind: ChangeKind, version: str | None) -> str:
        ticket = models.leave(ChangeRequest(kind=kind, version=version, by="ann", why=""), keep_s=60)
        for _ in range(2):  # the message may come twice
            service.change_model(ticket)
        (packed,) = redis.lrange(answer_key(ticket), 0, -1)
        return ChangeAnswer.model_validate_json(packed).problem or "done"

    assert answered(ChangeKind.PROMOTE, version) == "done"
    assert "no version 7" in answered(ChangeKind.PROMOTE, "7")
    assert answered(ChangeKind.ROLLBACK, None) == "done"
    (tmp_path / "mlflow.db").unlink()
    assert answered(ChangeKind.ROLLBACK, None) != "done"


def test_without_a_registry_the_local_bundle_is_in_service(settings: Settings, redis: Redis) -> None:
    Path(settings.mlflow_tracking_uri.removeprefix("sqlite:///")).unlink()
    service = RegistryService(settings, redis)
    assert service.refresh() == RegistryState(name=NAME)
    assert not Path(settings.mlflow_tracking_uri.removeprefix("sqlite:///")).exists(), "asking makes no store"
    assert service.champion().folder == local_bundle()

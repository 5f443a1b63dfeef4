"""The keys of caches hold a hash of the code that made what is kept."""

from pathlib import Path

import pytest

from shared import code_hash as code
from shared.code_hash import code_hash
from shared.settings import ROOT
from tests.import_graph import code_behind, covered
from training.vgg16 import features as feature_store
from worker.classify.caches import features, predictions


def test_the_hash_changes_with_every_file_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "ROOT", tmp_path)
    (tmp_path / "model/runtimes").mkdir(parents=True)
    hashes = []
    for name, content in [("model/text.py", "a"), ("model/runtimes/fast.py", "a"), ("one.py", "a"), ("one.py", "b")]:
        (tmp_path / name).write_text(content)
        code_hash.cache_clear()
        hashes.append(code_hash("model", "one.py"))
    (tmp_path / "other.py").write_text("a")
    code_hash.cache_clear()
    assert code_hash("model", "one.py") == hashes[-1]
    assert len(set(hashes)) == len(hashes)
    code_hash.cache_clear()


MAKES_NO_ANSWER = {
    "shared/__init__.py": "sets the environment of MLflow's client",
    "shared/background.py": "keeps threads going",
    "shared/code_hash.py": "hashes code",
    "shared/drift": "counts answers",
    "shared/ledger": "carries items and outcomes",
    "shared/redis_access.py": "how Redis is called",
    "shared/settings.py": "bounds sizes and times",
    "shared/telemetry": "logs and traces",
    "shared/stores": "keeps bytes under the hash that the key holds",
    "worker/process/metrics.py": "counts and times",
    "worker/serving/engine_metrics.py": "counts and times",
    "shared/network/outbound.py": "fetches bytes, whose hash the key holds",
    "shared/network/fetching.py": "tries again to fetch them",
    "shared/network/retry_after.py": "when to try again",
    "shared/network/urls.py": "where to fetch them",
}
"""Code behind the classification that no answer depends on, with the reason."""

MAKES_NO_FEATURE = MAKES_NO_ANSWER | {
    "shared/taxonomy": "names classes, which features know nothing of",
    "worker/classify/picture_source.py": "fetches bytes, whose hash the key holds",
}


STORES_FEATURES = MAKES_NO_FEATURE | {
    "shared/model/fusion.py": "combines answers",
    "shared/model/networks.py": "makes answers of features",
    "shared/model/bundle.py": "holds the weights, whose hash the key holds",
    "shared/pipeline": "names files",
    "training/__init__.py": "quietens TensorFlow's log",
    "training/pipeline": "names files and shows progress",
}


@pytest.mark.parametrize(
    ("module", "listed", "without"),
    [
        ("worker.classify.classification", predictions._ANSWERING, MAKES_NO_ANSWER),
        ("worker.classify.pictures", features._SEEING, MAKES_NO_FEATURE),
        ("training.vgg16.features", feature_store._SEEING, STORES_FEATURES),
    ],
    ids=["predictions", "features", "feature store"],
)
def test_the_key_holds_all_code_behind_what_is_kept(
    module: str, listed: tuple[str, ...], without: dict[str, str]
) -> None:
    code = code_behind([module], without=without)
    missing = sorted(file for file in code if not covered(file, listed))
    assert not missing, f"add to the cache's list of code, or to the exclusions with a reason: {missing}"
    assert [path for path in listed if not any(covered(file, [path]) for file in code)] == []


def test_the_exclusions_exist() -> None:
    assert [path for path in MAKES_NO_FEATURE if not (ROOT / path).exists()] == []

"""The model that comes with the repository."""

import numpy as np
import pytest

from shared.model import runtimes
from shared.model.bundle import FLOAT, FORMAT, INT8, Bundle
from shared.model.fusion import fuse
from shared.settings import ROOT, local_bundle
from shared.taxonomy import RAKUTEN
from shared.words import words
from training.pipeline.layout import STARTER

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def starter() -> Bundle:
    return Bundle.load(ROOT / STARTER)


def test_the_starter_is_small_and_has_a_model_card(starter: Bundle) -> None:
    assert sum(path.stat().st_size for path in starter.folder.iterdir()) < 40 * MEGABYTE
    card = (starter.folder / "README.md").read_text()
    assert starter.id in card
    assert "CC BY 4.0" in card


def test_the_starter_carries_what_trainings_give_a_bundle_today(starter: Bundle) -> None:
    assert starter.manifest.format == FORMAT
    assert starter.taxonomy == RAKUTEN
    assert starter.manifest.review.levels == (0.6939,)
    assert starter.manifest.cascade is not None
    assert starter.reference is not None
    answers, right = starter.reference.profile.categories, starter.reference.right or {}
    assert set(right) == set(answers) == set(starter.codes)
    assert all(right[code] <= answers[code] for code in right)
    assert sum(right.values()) == round(starter.reference.accuracy * starter.reference.profile.items)


def test_the_starter_is_as_good_in_int8_as_in_floating_point(starter: Bundle) -> None:
    assert starter.passed(INT8)
    assert starter.passed(FLOAT)


@pytest.mark.parametrize(
    ("title", "code"),
    [
        ("Piscine tubulaire ronde avec pompe de filtration et échelle", "2583"),
        ("Lot de 3 coussins décoratifs, housse de coussin 45 x 45 cm", "1920"),
        ("Manette sans fil pour console PS4", "50"),
        ("Cahier de brouillon et stylos à bille bleus", "2522"),
        ("Jeu de cartes à collectionner : carte rare brillante", "1160"),
    ],
)
def test_the_starter_knows_everyday_products(starter: Bundle, title: str, code: str) -> None:
    runtime = runtimes.load(starter, "openvino")
    text = runtime.text(starter.text_encoder().encode([words(title)]))
    verdict = fuse(starter.manifest.fusion, text, np.full_like(text, np.nan), np.array([8]))
    assert code in [starter.codes[index] for index in np.argsort(-verdict.fused[0])[:3]]


def test_the_starter_serves_until_a_model_was_trained_here() -> None:
    expected = "models/bundle" if (ROOT / "models/bundle/manifest.json").exists() else "models/starter"
    assert local_bundle() == ROOT / expected

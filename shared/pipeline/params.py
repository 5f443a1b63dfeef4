"""The typed content of `params.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

PATH = Path("params.yaml")


class ParamsError(ValueError):
    """`params.yaml` is missing or wrong; the message names each field."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleParams(_Section):
    per_type: int = Field(ge=4)
    seed: int


class ImportParams(_Section):
    source: str | None
    unlabelled: tuple[str, ...]
    sample: SampleParams


class FineTuneParams(_Section):
    epochs: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)


class PreprocessParams(_Section):
    seed: int
    validation: float = Field(gt=0, lt=0.5)
    test: float = Field(gt=0, lt=0.5)
    image_size: int = Field(ge=128, le=224, multiple_of=32)
    vgg16_weights: str
    fine_tune: FineTuneParams


class StudentParams(_Section):
    dropout: float = Field(ge=0, lt=1)
    word_dropout: float = Field(ge=0, lt=1)
    epochs: int = Field(ge=1)


class TextParams(_Section):
    max_words: int = Field(ge=1, le=512)
    vocabulary: int = Field(ge=1)
    max_subwords: int = Field(ge=2, le=64)
    min_count: int = Field(ge=1)
    embedding: int = Field(ge=1)
    vector_scale: float = Field(gt=0)
    units: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    word_dropout: float = Field(ge=0, lt=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    epochs: int = Field(ge=1)
    teacher_share: float = Field(ge=0, lt=1)
    student: StudentParams


class ImageParams(_Section):
    units: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)
    mixup: float = Field(gt=0)
    epochs: int = Field(ge=1)


class ReviewParams(_Section):
    precision: float = Field(gt=0, le=1)


class TrainParams(_Section):
    seed: int
    text: TextParams
    image: ImageParams
    review: ReviewParams


class EvaluateParams(_Section):
    data_licence: str | None = Field(default=None, max_length=1000)


class GateClassParams(_Section):
    min_items: int = Field(ge=1)
    loss: float = Field(ge=0, le=1)


class GateReviewParams(_Section):
    coverage: float = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)


class GateRelabelledParams(_Section):
    share: float = Field(ge=0, le=1)
    share_of_class: float = Field(ge=0, le=1)


class GateParams(_Section):
    min_items: int = Field(ge=1)
    resamples: int = Field(ge=100, le=100_000)
    seed: int
    margin: float = Field(ge=0, le=1)
    loss: float = Field(ge=0, le=1)
    classes: GateClassParams
    calibration: float = Field(ge=0, le=1)
    review: GateReviewParams
    latency: float = Field(ge=1)
    relabelled: GateRelabelledParams
    first: float = Field(ge=0, le=1)


class Params(_Section):
    import_data: ImportParams
    preprocess: PreprocessParams
    train: TrainParams
    evaluate: EvaluateParams
    gate: GateParams


def overridden(values: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with the overrides applied; a section is overridden field by field."""
    merged = dict(values)
    for name, value in overrides.items():
        inner = merged.get(name)
        merged[name] = overridden(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged


def check_overrides(overrides: Mapping[str, Any], path: Path = PATH) -> None:
    """Raise pydantic's `ValidationError`, which names every override that is not allowed in `params.yaml`."""
    Params.model_validate(overridden(yaml.safe_load(path.read_text(encoding="utf-8")), overrides))


def load_params(path: Path = PATH) -> Params:
    """Return the parameters; raise `ParamsError`, which names every wrong field."""
    try:
        return Params.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist here: run this in the repository's root") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParamsError(f"{path}: {wrong}") from error


def without_password(source: str) -> str:
    """Return the catalogue's address without a user's name and password, as it may be shown."""
    parts = urlsplit(source)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else source

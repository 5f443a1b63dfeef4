"""The typed content of `params.yaml`.

The bounds are far above what anybody trains with. They keep a request from asking for what no machine has.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

PATH = Path("params.yaml")

Loaded = TypeVar("Loaded", bound=BaseModel)

_USER = re.compile(r"(?<=://)[^/?#\s]+@")
"""A user and a password, which may hold an `@`."""
_EPOCHS = 10_000
_ITEMS = 100_000_000
_BATCH = 65_536
_VGG16_WEIGHTS = ("starter", "imagenet", "random")
_VOCABULARY_WEIGHTS = 2**28
"""Weights of the embedding: 1 GiB in single precision."""


class ParamsError(ValueError):
    """`params.yaml` is missing or wrong; the message names each field."""


@dataclass(frozen=True)
class _Place:
    """Marks a parameter that says where something is: only the operator sets it, in `params.yaml`."""

    instead: str
    """What a request does instead."""
    words: tuple[str, ...] = ()
    """Values that are no places, which a request may set."""
    what: str = "a path or URL"
    """What it may hold."""


Seed = Annotated[int, Field(ge=0, lt=2**32)]
LearningRate = Annotated[float, Field(gt=0, le=10)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SampleParams(_Section):
    per_type: int = Field(ge=4, le=10_000)
    seed: Seed


ColumnName = Annotated[str | None, Field(max_length=200)]
"""`None`: it is guessed; empty: there is no such column."""


class ColumnParams(_Section):
    """The columns of a table of products, by what they hold."""

    id: ColumnName = None
    title: ColumnName = None
    description: ColumnName = None
    picture: ColumnName = None
    category: ColumnName = None


class ImportParams(_Section):
    source: Annotated[str | None, _Place("name one of the operator's sources as `source` of the request")]
    taxonomy: Annotated[str | None, _Place("put taxonomy.csv beside the products of the source")] = None
    pictures: Annotated[str | None, _Place("put the pictures beside the products of the source")] = None
    columns: Annotated[
        ColumnParams, _Place("the operator names them in params.yaml", what="the columns of a table")
    ] = ColumnParams()
    unlabelled: Annotated[tuple[str, ...], _Place("name some of the operator's sources as `unlabelled` of the request")]
    sample: SampleParams


class FineTuneParams(_Section):
    epochs: int = Field(ge=0, le=_EPOCHS)
    batch_size: int = Field(ge=1, le=1024)
    learning_rate: LearningRate


class PreprocessParams(_Section):
    seed: Seed
    validation: float = Field(gt=0, lt=0.5)
    test: float = Field(gt=0, lt=0.5)
    image_size: int = Field(ge=128, le=224, multiple_of=32)
    vgg16_weights: Annotated[str, _Place("a request may set starter, imagenet or random", _VGG16_WEIGHTS)]
    fine_tune: FineTuneParams


class StudentParams(_Section):
    dropout: float = Field(ge=0, lt=1)
    word_dropout: float = Field(ge=0, lt=1)
    epochs: int = Field(ge=1, le=_EPOCHS)


class TextParams(_Section):
    max_words: int = Field(ge=1, le=512)
    vocabulary: int = Field(ge=1, le=5_000_000)
    max_subwords: int = Field(ge=2, le=64)
    min_count: int = Field(ge=1, le=1_000_000)
    embedding: int = Field(ge=1, le=4096)
    vector_scale: float = Field(gt=0, le=100)
    units: int = Field(ge=1, le=2048)
    dropout: float = Field(ge=0, lt=1)
    word_dropout: float = Field(ge=0, lt=1)
    batch_size: int = Field(ge=1, le=_BATCH)
    learning_rate: LearningRate
    epochs: int = Field(ge=1, le=_EPOCHS)
    teacher_share: float = Field(ge=0, lt=1)
    student: StudentParams

    @model_validator(mode="after")
    def _check_size(self) -> "TextParams":
        if self.vocabulary * self.embedding > _VOCABULARY_WEIGHTS:
            raise ValueError(
                f"vocabulary times embedding is {self.vocabulary * self.embedding:,}, at most {_VOCABULARY_WEIGHTS:,}"
            )
        return self


class ImageParams(_Section):
    units: int = Field(ge=1, le=8192)
    dropout: float = Field(ge=0, lt=1)
    batch_size: int = Field(ge=1, le=_BATCH)
    learning_rate: LearningRate
    weight_decay: float = Field(ge=0, le=10)
    label_smoothing: float = Field(ge=0, lt=1)
    mixup: float = Field(gt=0, le=100)
    epochs: int = Field(ge=1, le=_EPOCHS)


class ReviewParams(_Section):
    precision: float = Field(gt=0, le=1)


class CascadeParams(_Section):
    loss: float = Field(ge=0, le=1)


class TrainParams(_Section):
    seed: Seed
    text: TextParams
    image: ImageParams
    cascade: CascadeParams
    review: ReviewParams


class EvaluateParams(_Section):
    data_licence: str | None = Field(default=None, max_length=1000)


class GateClassParams(_Section):
    min_items: int = Field(ge=1, le=_ITEMS)
    loss: float = Field(ge=0, le=1)


class GateReviewParams(_Section):
    coverage: float = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)


class GateRelabelledParams(_Section):
    share: float = Field(ge=0, le=1)
    share_of_class: float = Field(ge=0, le=1)


class GateContradictedParams(_Section):
    share: float = Field(ge=0, le=1)
    share_of_class: float = Field(ge=0, le=1)


class GateNewCategoriesParams(_Section):
    min_items: int = Field(ge=1, le=_ITEMS)
    f1: float = Field(ge=0, le=1)


class GateParams(_Section):
    min_items: int = Field(ge=1, le=_ITEMS)
    resamples: int = Field(ge=100, le=100_000)
    seed: Seed
    margin: float = Field(ge=0, le=1)
    loss: float = Field(ge=0, le=1)
    classes: GateClassParams
    calibration: float = Field(ge=0, le=1)
    review: GateReviewParams
    latency: float = Field(ge=1, le=1_000_000)
    relabelled: GateRelabelledParams
    contradicted: GateContradictedParams
    new_categories: GateNewCategoriesParams
    first: float = Field(ge=0, le=1)


class Params(_Section):
    import_data: ImportParams
    preprocess: PreprocessParams
    train: TrainParams
    evaluate: EvaluateParams
    gate: GateParams


def _places(
    overrides: Mapping[str, Any], section: type[BaseModel], above: tuple[str, ...]
) -> Iterator[InitErrorDetails]:
    for name, value in overrides.items():
        if (field := section.model_fields.get(name)) is None:
            continue
        place = next((mark for mark in field.metadata if isinstance(mark, _Place)), None)
        if place is not None and value not in place.words:
            why = f"a request cannot set {place.what}: {place.instead}"
            yield InitErrorDetails(
                type=PydanticCustomError("place", "{why}", {"why": why}), loc=(*above, name), input=""
            )
        elif isinstance(value, Mapping) and isinstance(field.annotation, type):
            yield from _places(value, field.annotation, (*above, name))


def overridden(values: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with the overrides applied; a section is overridden field by field."""
    merged = dict(values)
    for name, value in overrides.items():
        inner = merged.get(name)
        merged[name] = overridden(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged


def check_overrides(overrides: Mapping[str, Any], path: Path = PATH) -> None:
    """Check what a request overrides in `params.yaml`.

    Raises:
        ValidationError: An override holds a path or a URL, or is not allowed in `params.yaml`; each is named.
    """
    check_no_places(overrides)
    Params.model_validate(overridden(yaml.safe_load(path.read_text(encoding="utf-8")), overrides))


def check_no_places(overrides: Mapping[str, Any]) -> None:
    """Raise pydantic's `ValidationError`, which names every override that only the operator may set."""
    if wrong := list(_places(overrides, Params, ())):
        raise ValidationError.from_exception_data(PATH.name, wrong, hide_input=True)


def load_params(path: Path = PATH) -> Params:
    """Return the parameters; raise `ParamsError`, which names every wrong field."""
    return _load(path, Params)


def load_conditions(path: Path) -> GateParams:
    """Return the gate's conditions from a file with the section `gate`; raise the same as `load_params`."""
    return _load(path, _Conditions).gate


class _Conditions(BaseModel):
    gate: GateParams


def _load(path: Path, model: type[Loaded]) -> Loaded:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist here: run this in the repository's root") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ParamsError(f"{path}: {wrong}") from error


def without_password(source: str) -> str:
    """Return the catalogue's address as it may be shown: without a user's name and password, and without a query."""
    try:
        parts = urlsplit(source)
    except ValueError:
        return "the source"
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return urlunsplit(shown) if parts.netloc else source


def without_passwords(text: str) -> str:
    """Return what a tool has printed, without the user's name and password in each URL."""
    return _USER.sub("", text)

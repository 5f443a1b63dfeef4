"""Decisions: what people say about results. Stored append-only beside the labels; everything else is an index of them.

decisions/<day>/<time>-<id>.ndjson    a file per accepted request, never changed, with a decision per line

Pictures of decided items are those of the label store, below `pictures/`.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum

from shared.ledger import QueuedItem
from shared.likeness import text_key
from shared.stores.files import Files
from shared.stores.labels import Label, LabelKind, identity
from shared.stores.request_files import RequestFiles, arrival, arrival_of, microseconds


class DecisionKind(StrEnum):
    """What a person did about a result."""

    CATEGORY = "category"
    NONE_OF_THESE = "none_of_these"
    SKIP = "skip"
    """The item stays open."""
    UNDO = "undo"
    """An earlier decision is taken back."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said about one result of a job."""

    index: int
    """Position in its request."""
    kind: DecisionKind
    tenant: str
    by: str
    """Who said it."""
    job: str
    item_index: int
    """The item's position in that job."""
    item: str | None = None
    """The item's id in that job."""
    code: str | None = None
    """The category, of a decision for one; it may have others below it."""
    note: str | None = None
    took_ms: int | None = None
    like: int | None = None
    """The position in its request of the decision or undo that it came with, about a near copy."""
    bulk: str | None = None
    """The id of the decision about all items of a filter that this is a part of."""
    undoes: str | None = None
    """The place of the decision that is taken back."""
    bundle: str | None = None
    """The bundle that gave the answer; next, the code and the confidence of that answer."""
    guess: str | None = None
    confidence: float | None = None
    needs_review: bool = False
    """Whether that answer needed a review."""
    audited: str | None = None
    """How it came to be audited, if it did not (`shared.ledger.AuditKind`)."""
    branch: str | None = None
    """The category at the root of that answer's path."""
    right: bool | None = None
    """Whether that answer is right by this decision; `None` if the decision does not tell."""
    title: str | None = None
    """What was classified, for trainings and explanations; nothing of it where it is not kept, or was skipped."""
    description: str | None = None
    picture: str | None = None
    """The sha256 of its bytes, which are in the label store; `None`, as the URL is, where no category fits."""
    url: str | None = None
    identity: str | None = None
    """By what the same item and its near copies are recognised (`identity_of`); `None` if the item was not kept."""
    file: str = ""
    """Name of its file; files sort by arrival."""

    @property
    def at(self) -> datetime:
        """When it arrived."""
        return arrival(self.file)

    @property
    def place(self) -> str:
        """Its place among all decisions of its tenant, in the order of arrival, which also is its id."""
        return self._placed(self.index)

    @property
    def like_place(self) -> str | None:
        """The place of the decision that it came with."""
        return None if self.like is None else self._placed(self.like)

    def _placed(self, index: int) -> str:
        return f"{microseconds(self.file):016d}-{index:06d}"

    @property
    def decides(self) -> bool:
        return self.kind in (DecisionKind.CATEGORY, DecisionKind.NONE_OF_THESE)

    def line(self) -> bytes:
        """Return its line in the file."""
        facts = {name: value for name, value in asdict(self).items() if value is not None and name != "file"}
        return json.dumps(facts, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes, file: str) -> "Decision":
        names = {field.name for field in fields(cls)}  # a later release may have added others
        facts = {name: fact for name, fact in json.loads(line).items() if name in names}
        return cls(**{**facts, "kind": DecisionKind(facts["kind"]), "file": file})


class DecisionStore:
    """A store of decisions. Args: url: The label store's folder as any fsspec URL."""

    def __init__(self, url: str) -> None:
        self._files = RequestFiles(Files(url.rstrip("/")), "decisions", by_day=True)

    def append(self, name: str, decisions: Iterable[Decision]) -> None:
        """Write a new file, whole or not at all; the pictures have been stored before. Raises `OSError`."""
        self._files.append(name, (decision.line() for decision in decisions))

    def names(self, since: datetime | None = None) -> list[str]:
        """Return the names of all files, or of those since that day, in the order of arrival. Raises `OSError`."""
        return self._files.names(since)

    def read(self, name: str) -> list[Decision]:
        """Return a file's decisions; raises `DamagedFileError`, or as `RequestFiles.content` does."""
        return self._files.parsed(name, Decision.read)

    def decisions(self, names: Collection[str] | None = None) -> Iterator[Decision]:
        """Yield the decisions of these files, or of all, in the order of their arrival."""
        for name in self.names() if names is None else names:
            yield from self.read(name)

    def at(self, places: Iterable[str]) -> Iterator[Decision]:
        """Yield the decisions at these places, of those that are there. Raises `OSError`."""
        of_moments = defaultdict[int, set[str]](set)
        for place in places:
            of_moments[int(place.partition("-")[0])].add(place)
        days = {arrival_of(moment).replace(hour=0, minute=0, second=0, microsecond=0) for moment in of_moments}
        for name in (name for day in sorted(days) for name in self._files.names_on(day)):
            if (wanted := of_moments.get(microseconds(name))) is not None:
                yield from (decision for decision in self.read(name) if decision.place in wanted)


def identity_of(item: QueuedItem) -> str | None:
    """Return by what the same item is recognised, and by what its near copies; `None` for an item without content.

    32 hex digits stand for its words and its picture, or the picture's URL; 16 for what variants of its text share.
    """
    same = identity(item.title, item.description, item.blob or item.url)
    return None if same is None else f"{same}{text_key(item.title, item.description):016x}"


def told(decision: Decision) -> str:
    """Return what the index keeps of a decision, to be told: its file, and its line there without the item's texts."""
    bare = replace(decision, title=None, description=None, picture=None, url=None)
    return f"{decision.file} {bare.line().decode()}"


def of_told(kept: str) -> Decision:
    """Return the decision of what `told` gave."""
    file, _, line = kept.partition(" ")
    return Decision.read(line.encode(), file)


def in_force(decisions: Iterable[Decision]) -> list[Decision]:
    """Return the decision in force of each decided item: the latest that was not undone, in the order of arrival."""
    undone, of_items = set[tuple[str, str | None]](), defaultdict[tuple[str, int], list[Decision]](list)
    for decision in decisions:
        if decision.kind is DecisionKind.UNDO:
            undone.add((decision.tenant, decision.undoes))
        elif decision.decides:
            of_items[decision.job, decision.item_index].append(decision)
    left = ([each for each in made if (each.tenant, each.place) not in undone] for made in of_items.values())
    latest = [max(made, key=lambda decision: decision.place) for made in left if made]
    return sorted(latest, key=lambda decision: (decision.file, decision.index))


def learnable(decisions: Iterable[Decision]) -> Iterator[Label]:
    """Yield what trainings learn from the decisions in force: a label for each item that was given a category.

    Nothing is learnt of an item that was not kept.
    """
    for decision in in_force(decisions):
        label = _label(decision)
        if label is not None and label.identity is not None:
            yield label


def _label(decision: Decision) -> Label | None:
    if decision.code is None:
        return None
    same = decision.guess == decision.code
    return Label(
        index=decision.index,
        code=decision.code,
        by=decision.by,
        at=decision.at,
        tenant=decision.tenant,
        title=decision.title,
        description=decision.description,
        picture=decision.picture,
        url=decision.url,
        kind=LabelKind.CONFIRMATION if same else LabelKind.CORRECTION,
        job=decision.job,
        item=decision.item,
        bundle=decision.bundle,
        guess=decision.guess,
        confidence=decision.confidence,
    )

"""Which jobs of a tenant are looked for."""

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from shared.ledger.states import JobState
from shared.words import words

_ID_LENGTH = 6
"""Characters of an id by which a job is found: fewer of them are in many ids."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a person typed: each word of it must occur in a job's name, its metadata's values or its id.

    Raises:
        ValueError: there is no word in it.
    """

    text: str
    _terms: tuple[tuple[str, tuple[str, ...]], ...] = field(init=False)
    """Each part between blanks, and the words that it has in the form in which they are compared."""

    def __post_init__(self) -> None:
        terms = tuple((part.lower(), tuple(words(part))) for part in self.text.split())
        if not any(found for _, found in terms):
            raise ValueError("there is no word to search for")
        object.__setattr__(self, "_terms", terms)

    def finds(self, job_id: str, name: str | None, metadata: Mapping[str, str]) -> bool:
        texts = " ".join(word for text in (name, *metadata.values()) for word in words(text))
        return all(
            (len(part) >= _ID_LENGTH and part in job_id) or all(word in texts for word in found)
            for part, found in self._terms
        )


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a job must be to be listed: everything that is given here."""

    states: Collection[JobState] = frozenset()
    """In one of these."""
    search: Search | None = None
    pairs: Collection[str] = frozenset()
    """Its metadata has each of these, written as `key:value`."""
    since: float = -math.inf
    """Accepted at this time or later."""
    before: float = math.inf

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a record by which `takes` decides; none if the time alone decides."""
        if self.search or self.pairs:
            return ("state", "name", "metadata")
        return ("state",) if self.states else ()

    def takes(self, job_id: str, state: bytes, name: bytes | None = None, metadata: bytes | None = None) -> bool:
        """Whether the job is listed, by the fields of its record."""
        if self.states and state.decode() not in self.states:
            return False
        own: dict[str, str] = json.loads(metadata or b"{}")
        if self.pairs and not {f"{key}:{value}" for key, value in own.items()} >= {*self.pairs}:
            return False
        return self.search is None or self.search.finds(job_id, None if name is None else name.decode(), own)


EVERY_JOB = JobFilter()

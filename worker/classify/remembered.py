"""What people have decided about equal items before: it is the answer, and the model is not asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from redis import Redis

from shared.ledger import Decided, Guess, ItemStatus, Memory, Outcome, QueuedItem, Remembered
from shared.stores.decisions import identity_of
from shared.taxonomy import Taxonomy

_CONTESTED = 0.5
"""The confidence of each of two categories that two people gave an equal item."""


@dataclass(frozen=True)
class RememberedAnswers:
    """What the memory says of a chunk's items."""

    outcomes: Mapping[int, Outcome]
    """Of items that a person gave a category, by index."""
    without_category: Mapping[int, Remembered]
    """Decisions that no category fits: the model is asked all the same, because a result names its best guess."""

    def applied(self, outcome: Outcome) -> Outcome:
        """Return the model's outcome, marked if a person has decided that no category fits."""
        remembered = self.without_category.get(outcome.index)
        if remembered is None or outcome.status is not ItemStatus.SUCCEEDED:
            return outcome
        return replace(outcome, needs_review=remembered.other is not None, remembered=remembered.decided)


class RememberedItems:
    """Looks items up in their tenant's memory, which another process may change at any time."""

    def __init__(self, redis: Redis) -> None:
        self._memory = Memory(redis)

    def answers(self, tenant: str, items: Sequence[QueuedItem], taxonomy: Taxonomy) -> RememberedAnswers:
        """Return what is remembered of the items, with the categories that are in force.

        Decisions for a category that is retired or gone do not count.

        Raises:
            RedisError: The memory cannot be read. Then the model is not asked instead: it might answer otherwise.
        """
        outcomes, without_category = dict[int, Outcome](), dict[int, Remembered]()
        for item, remembered in self._remembered(tenant, items):
            decided, other = remembered
            if decided.code is None:
                without_category[item.index] = remembered
            elif (code := _in_force(decided.code, taxonomy)) is not None:
                outcomes[item.index] = _outcome(item, code, decided, other, taxonomy)
        return RememberedAnswers(outcomes, without_category)

    def _remembered(self, tenant: str, items: Sequence[QueuedItem]) -> list[tuple[QueuedItem, Remembered]]:
        if not self._memory.any(tenant):  # then the items' words need not be looked at
            return []
        identities = {item.index: identity_of(item) for item in items}
        found = self._memory.of(tenant, [identity for identity in identities.values() if identity is not None])
        return [(item, found[identity]) for item in items if (identity := identities[item.index]) in found]


def _outcome(item: QueuedItem, code: str, decided: Decided, other: Decided | None, taxonomy: Taxonomy) -> Outcome:
    """The outcome of an item that a person gave a category."""
    guesses, contested = [Guess(code, 1.0)], other is not None
    if other is not None:
        rest = None if other.code is None else _in_force(other.code, taxonomy)
        contested = rest != code
        if contested:
            guesses = [Guess(each, _CONTESTED) for each in (code, rest) if each is not None]
    path = tuple(Guess(above.code, guesses[0].confidence) for above in taxonomy.path(code)[:-1])
    return Outcome(
        index=item.index,
        id=item.id,
        guesses=tuple(guesses),
        needs_review=contested,
        path=path,
        sure=0 if contested else len(path) + 1,
        not_looked_at=item.blob is not None or item.url is not None,
        remembered=decided,
    )


def _in_force(code: str, taxonomy: Taxonomy) -> str | None:
    """The category that stands for this one now; `None` if there is none."""
    successor = taxonomy.successor(code)
    return successor if successor in taxonomy.by_code else None

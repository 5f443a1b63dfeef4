"""What people have decided before about the same items and about near copies of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from redis import Redis

from shared.ledger import Decided, Guess, ItemStatus, Memory, Outcome, QueuedItem, Remembered
from shared.stores.decisions import identity_of
from shared.taxonomy import Taxonomy

_CONTESTED = 0.5
"""The confidence of each of two categories that two people gave the same item."""


@dataclass(frozen=True)
class RememberedAnswers:
    """What the memory says of a chunk's items, by their index."""

    taxonomy: Taxonomy
    """The one that is in force."""
    outcomes: Mapping[int, Outcome]
    """Answers to items that a person gave a category: the model need not be asked."""
    without_category: Mapping[int, Remembered]
    """Decisions that no category fits: the model is asked all the same, because a result names its best guess."""
    near: Mapping[int, Decided]
    """Decisions about near copies of items about which nobody has decided."""

    def applied(self, outcome: Outcome) -> Outcome:
        """Return the model's outcome with what follows from the memory.

        A decision about a near copy is followed where the model agrees. Where it does not, a person has to look: of
        near copies the decision is no more often right than the model.
        """
        if outcome.status is not ItemStatus.SUCCEEDED:
            return outcome
        if (same := self.without_category.get(outcome.index)) is not None:
            return replace(outcome, needs_review=same.other is not None, remembered=same.decided, audited=None)
        if (decided := self.near.get(outcome.index)) is None:
            return outcome
        code = None if decided.code is None else _in_force(decided.code, self.taxonomy)
        if code is None and decided.code is not None:
            return outcome  # the category is retired, or gone
        agrees = code == outcome.guesses[0].code
        sure = len(outcome.path) + 1 if agrees else min(outcome.sure, len(outcome.path))
        said = replace(outcome, remembered=decided, near_copy=True, audited=None)  # an audit is about the model alone
        return replace(said, needs_review=not agrees, sure=sure)


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
        if not self._memory.any(tenant):  # then the items' words need not be looked at
            return RememberedAnswers(taxonomy, outcomes, without_category, {})
        identities = {item.index: identity for item in items if (identity := identity_of(item)) is not None}
        same = self._memory.same(tenant, identities.values())
        for item in items:
            if (remembered := same.get(identities.get(item.index, ""))) is None:
                continue
            if remembered.decided.code is None:
                without_category[item.index] = remembered
            elif (code := _in_force(remembered.decided.code, taxonomy)) is not None:
                outcomes[item.index] = _outcome(item, code, remembered, taxonomy)
        rest = {index: identity for index, identity in identities.items() if identity not in same}
        near = self._memory.near(tenant, rest.values())
        copies = {index: near[identity] for index, identity in rest.items() if identity in near}
        return RememberedAnswers(taxonomy, outcomes, without_category, copies)


def _outcome(item: QueuedItem, code: str, remembered: Remembered, taxonomy: Taxonomy) -> Outcome:
    """The outcome of an item that a person gave a category."""
    decided, other = remembered
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

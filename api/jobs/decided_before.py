"""What people have decided about items like the one that is explained."""

from typing import Annotated

from fastapi import Depends

from api.dependencies import MemoryDep
from api.jobs import render
from api.jobs.nearest import NearestItems, NearestItemsDep
from api.jobs.schemas import ExplanationOut, MemoryOut
from api.lifecycle.names import NameOf, Names
from shared.ledger import Memory, QueuedItem
from shared.stores.decisions import identity_of


class DecidedBefore:
    """Tells it beside an explanation."""

    def __init__(self, memory: Memory, nearest: NearestItems) -> None:
        self._memory = memory
        self._nearest = nearest

    def beside(self, out: ExplanationOut, tenant: str, item: QueuedItem, names: Names) -> ExplanationOut:
        """Return the explanation of a tenant's item with what is decided."""
        nearest = self._nearest.to(tenant, item, names.in_force.taxonomy)
        told = {
            "memory": self._remembered(tenant, item, names.of),
            "nearest": [render.nearest_out(near, names.of) for near in nearest],
        }
        return out.model_copy(update=told)

    def _remembered(self, tenant: str, item: QueuedItem, name_of: NameOf) -> MemoryOut | None:
        if (identity := identity_of(item)) is None:
            return None
        if same := self._memory.same(tenant, [identity]):
            return render.memory_out(same[identity].decided, name_of, near_copy=False)
        near = self._memory.near(tenant, [identity]).get(identity)
        return None if near is None else render.memory_out(near, name_of, near_copy=True)


def _decided_before(memory: MemoryDep, nearest: NearestItemsDep) -> DecidedBefore:
    return DecidedBefore(memory, nearest)


DecidedBeforeDep = Annotated[DecidedBefore, Depends(_decided_before)]

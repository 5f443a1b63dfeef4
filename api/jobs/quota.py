"""What the caller's tenant holds, and what it may hold."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access.authentication import AnyCaller
from api.dependencies import SettingsDep, service
from api.lifecycle.quotas import TenantQuotasDep
from shared.ledger import Quotas
from shared.queues import TRAINING, Lane

router = APIRouter(prefix="/v1/quota", tags=["quota"])

_QuotasDep = Annotated[Quotas, service(lambda stores: Quotas(stores.redis))]


class UseOut(BaseModel):
    """How much of a quota is used."""

    used: int
    limit: int = Field(description="Requests that would go beyond it are answered 429 `quota-exceeded`.")


class QuotaOut(BaseModel):
    """What the tenant may hold at a time."""

    items: dict[str, UseOut] = Field(description="By lane: items without an outcome.")
    trainings: UseOut = Field(description="Trainings that have not ended.")
    memory: UseOut = Field(
        description="Bytes of the job store that items, results and records of the tenant's jobs take."
    )


@router.get("")
def read(caller: AnyCaller, settings: SettingsDep, quotas: _QuotasDep, limits: TenantQuotasDep) -> QuotaOut:
    """Read how much of its quotas the caller's tenant uses.

    A tenant that is the only one with keys may use everything that the service has.
    """
    held = quotas.holdings(caller.tenant, (*Lane, TRAINING))
    items = limits.items() or settings.max_queued_items
    trainings = limits.trainings() or settings.max_queued_trainings
    memory = limits.memory(caller.tenant)
    _, redis_bytes = quotas.redis_memory()
    return QuotaOut(
        items={lane.value: UseOut(used=held.waiting[lane], limit=items) for lane in Lane},
        trainings=UseOut(used=held.waiting[TRAINING], limit=trainings),
        memory=UseOut(used=held.memory, limit=int(redis_bytes * memory.share * memory.tenants_share)),
    )

"""Reads a tenant's promise, and pins its threshold."""

from http import HTTPStatus
from typing import Annotated

from redis import Redis

from api.access.authentication import Principal
from api.dependencies import service
from api.http.problems import Problem
from api.lifecycle.names import NameOf
from api.promise.render import promise_out
from api.promise.schemas import PromiseOut, ThresholdIn
from shared.ledger import ModelPromise, PromiseRecord, Promises, ThresholdMove
from shared.stores.taxonomy_in_force import InForce


class TenantPromises:
    """The promises as tenants see and change them."""

    def __init__(self, redis: Redis, in_force: InForce) -> None:
        self._promises = Promises(redis)
        self._record = PromiseRecord(redis)
        self._in_force = in_force

    def out(self, tenant: str, name_of: NameOf) -> PromiseOut:
        audited, accepted = self._record.audited(tenant), self._record.accepted(tenant)
        set_, moves = self._promises.of_tenant(tenant), self._promises.moves(tenant)
        return promise_out(self._promise(), set_, audited, accepted, moves, name_of)

    def pin(self, caller: Principal, wanted: ThresholdIn, name_of: NameOf) -> PromiseOut:
        """Pin the threshold or let it go; raises `Problem` while no model has served."""
        promise = self._promise()
        if promise is None:
            detail = (
                "No worker of this release has served a model yet, so there is no threshold to set: try again later."
            )
            raise Problem(HTTPStatus.CONFLICT, "no-promise", detail)
        set_ = self._promises.of_tenant(caller.tenant)
        before = promise.threshold if set_ is None else set_.of(promise.bundle, promise.threshold)
        free = wanted.threshold is None
        reason = wanted.reason or ("The service moves it again." if free else "It was set by hand.")
        by = caller.key_id or caller.tenant
        move = ThresholdMove(before, wanted.threshold, reason, promise.bundle, by)
        self._promises.move(caller.tenant, move, pinned=not free)
        return self.out(caller.tenant, name_of)

    def _promise(self) -> ModelPromise | None:
        """What the model in service promises."""
        bundle = self._in_force.now().bundle
        return None if bundle is None else self._promises.of_bundle(bundle)


TenantPromisesDep = Annotated[TenantPromises, service(lambda stores: TenantPromises(stores.redis, stores.in_force))]

"""What each tenant may hold: everything while no other tenant has a key, else a share of everyone's limits."""

import time
from typing import Annotated

from redis import Redis

from api.dependencies import service
from shared.ledger import MemoryQuota
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope

_KNOWN_S = 10
"""How long the number of tenants is remembered, while no key is added."""


class TenantQuotas:
    def __init__(self, settings: Settings, redis: Redis) -> None:
        self._settings = settings
        self._keys = KeyStore(redis)
        self._known_keys, self._known_until, self._alone = -1, 0.0, True

    def items(self) -> int | None:
        """Return how many items of a tenant may wait in a lane; `None`: as many as of all together."""
        return self._share_of(self._settings.max_queued_items)

    def trainings(self) -> int | None:
        """Return how many trainings of a tenant may wait or run; `None`: as many as of all together."""
        return self._share_of(self._settings.max_queued_trainings)

    def memory(self, tenant: str) -> MemoryQuota:
        """Return what this tenant's requests may take of Redis' memory."""
        return MemoryQuota(tenant, self._settings.memory_share, self.share())

    def share(self) -> float:
        """Return the share of every limit that one tenant may use.

        Only keys that can submit something count: one that reads metrics does not make a second tenant.
        """
        count = self._keys.count()
        if count != self._known_keys or time.monotonic() > self._known_until:
            uses = {Scope.CLASSIFY, Scope.TRAIN}
            tenants = {key.tenant for key in self._keys.valid() if key.scopes & uses}
            self._alone = len(tenants) < 2
            self._known_keys, self._known_until = count, time.monotonic() + _KNOWN_S
        return 1 if self._alone else self._settings.tenant_share

    def _share_of(self, limit: int) -> int | None:
        share = self.share()
        return None if share == 1 else max(int(limit * share), 1)


TenantQuotasDep = Annotated[TenantQuotas, service(lambda stores: TenantQuotas(stores.settings, stores.redis))]

"""The methods of both clients that are about the model in service: what it is, how it does, and the service's state."""

from catalog_client import _calls as calls
from catalog_client._async_connection import AsyncConnection
from catalog_client._connection import Connection
from catalog_client._model_records import Drift, Models
from catalog_client._promise_records import Promise
from catalog_client._records import Health


class ModelMethods:
    _connection: Connection

    def models(self) -> Models:
        """Return the registered versions, and which of them serves."""
        return self._connection.send(calls.models())

    def promote(self, version: str | int, *, reason: str = "", force: bool = False) -> Models:
        """Make a version the champion; `force` overrides the gate's verdict."""
        return self._connection.send(calls.promote(version, reason, force))

    def rollback(self, *, reason: str = "") -> Models:
        """Put the previous champion back into service."""
        return self._connection.send(calls.rollback(reason))

    def drift(self, *, days: int = 7, bundle: str | None = None) -> Drift:
        """Return how far what comes in has moved away from what each bundle was validated on."""
        return self._connection.send(calls.drift(days, bundle))

    def promise(self) -> Promise:
        """Return how precise your accepted answers are, and from which confidence on they are accepted."""
        return self._connection.send(calls.promise())

    def health(self) -> Health:
        """Return whether the service can take work."""
        return self._connection.send(calls.health())


class AsyncModelMethods:
    _connection: AsyncConnection

    async def models(self) -> Models:
        return await self._connection.send(calls.models())

    async def promote(self, version: str | int, *, reason: str = "", force: bool = False) -> Models:
        return await self._connection.send(calls.promote(version, reason, force))

    async def rollback(self, *, reason: str = "") -> Models:
        return await self._connection.send(calls.rollback(reason))

    async def drift(self, *, days: int = 7, bundle: str | None = None) -> Drift:
        return await self._connection.send(calls.drift(days, bundle))

    async def promise(self) -> Promise:
        return await self._connection.send(calls.promise())

    async def health(self) -> Health:
        return await self._connection.send(calls.health())

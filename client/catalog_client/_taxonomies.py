"""The methods of both clients that are about the categories."""

from pathlib import Path

from catalog_client import _calls as calls
from catalog_client._async_connection import AsyncConnection
from catalog_client._connection import Connection
from catalog_client._files import replacing
from catalog_client._taxonomy_files import Categories, taxonomy_body
from catalog_client._taxonomy_records import Taxonomy, TaxonomyAcceptance, TaxonomyChanges


class TaxonomyMethods:
    _connection: Connection

    def taxonomy(self) -> Taxonomy:
        """Return the categories that answers and labels may name, with their states."""
        return self._connection.send(calls.taxonomy())

    def save_taxonomy(self, path: str | Path) -> None:
        """Save the taxonomy in force as a CSV table, to change it and put it back; raises `OSError`."""
        with replacing(Path(path)) as file:
            self._connection.save(calls.taxonomy_table(), file)

    def compare_taxonomy(self, categories: Categories) -> TaxonomyChanges:
        """Return what a taxonomy would change of the one in force; nothing is changed. Raises as `put_taxonomy` does.

        Args:
            categories: The path of a .csv, .tsv, .xlsx, .ndjson or .json, or mappings with the table's columns as
                members: code, name, name:LANGUAGE, parent, guideline, moved_to, retired, google, gs1, map:NAME.
        """
        return self._connection.send(calls.compare_taxonomy(*taxonomy_body(categories)))

    def put_taxonomy(self, categories: Categories, *, digest: str) -> TaxonomyChanges:
        """Put a whole taxonomy in the place of the one in force; returns what that changed.

        Args:
            categories: As for `compare_taxonomy`.
            digest: That of the taxonomy that you have changed (`taxonomy()`), so that nobody's changes are lost. "*"
                replaces any.

        Raises:
            ProblemError: it is no taxonomy (`errors` has each fault's line), or not the one that `digest` names (412).
        """
        return self._connection.send(calls.put_taxonomy(*taxonomy_body(categories), digest))

    def taxonomy_history(self, *, limit: int = 20) -> tuple[TaxonomyAcceptance, ...]:
        """Return the taxonomies that were put, the latest first: when, by whom, and how much each changed."""
        found = list[TaxonomyAcceptance]()
        for page in self._connection.pages(lambda cursor: calls.taxonomy_history(limit - len(found), cursor)):
            found.extend(page.history)
            if len(found) >= limit:
                break
        return tuple(found)


class AsyncTaxonomyMethods:
    _connection: AsyncConnection

    async def taxonomy(self) -> Taxonomy:
        return await self._connection.send(calls.taxonomy())

    async def save_taxonomy(self, path: str | Path) -> None:
        with replacing(Path(path)) as file:
            await self._connection.save(calls.taxonomy_table(), file)

    async def compare_taxonomy(self, categories: Categories) -> TaxonomyChanges:
        return await self._connection.send(calls.compare_taxonomy(*taxonomy_body(categories)))

    async def put_taxonomy(self, categories: Categories, *, digest: str) -> TaxonomyChanges:
        return await self._connection.send(calls.put_taxonomy(*taxonomy_body(categories), digest))

    async def taxonomy_history(self, *, limit: int = 20) -> tuple[TaxonomyAcceptance, ...]:
        found = list[TaxonomyAcceptance]()
        async for page in self._connection.pages(lambda cursor: calls.taxonomy_history(limit - len(found), cursor)):
            found.extend(page.history)
            if len(found) >= limit:
                break
        return tuple(found)

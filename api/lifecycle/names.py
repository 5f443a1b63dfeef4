"""The names that categories have in one answer, in the caller's language.

They are those of the taxonomy in force. A category that it lacks, of an older result, has the name that the taxonomy of
the result's own bundle gives it, for as long as Redis has what workers published of that bundle.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from fastapi import Depends
from fastapi.concurrency import run_in_threadpool

from api.dependencies import StoresDep
from api.http.languages import LanguagesDep
from shared.stores.taxonomy_in_force import PublishedTaxonomies, TaxonomyInForce
from shared.taxonomy import Taxonomy

NameOf = Callable[[str], str]
"""Returns a category's name by its code."""
NamesOf = Callable[[str], NameOf]
"""Returns the names of categories in results of a bundle."""


@dataclass(frozen=True)
class Names:
    """A caller's languages, and the taxonomy that was in force when the request came."""

    in_force: TaxonomyInForce
    languages: tuple[str, ...]
    published: PublishedTaxonomies
    _of_bundles: dict[str, Taxonomy | None] = field(default_factory=dict)
    """The taxonomies of bundles that were looked for; `None`: nothing is kept of it."""

    def of(self, code: str) -> str:
        """Return the category's name in the first of the languages that it has one in, or its plain name.

        A code that the taxonomy does not know is its own name.
        """
        return self.in_force.taxonomy.name_of(code, self.languages)

    def in_results(self, bundle: str) -> NameOf:
        """Return the names in results of this bundle; they may ask Redis, and raise `RedisError`."""
        return partial(self._in_result, bundle)

    def _in_result(self, bundle: str, code: str) -> str:
        if code not in self.in_force.taxonomy.by_code and (own := self._of_bundle(bundle)) is not None:
            return own.name_of(code, self.languages)
        return self.of(code)

    def _of_bundle(self, bundle: str) -> Taxonomy | None:
        if bundle not in self._of_bundles:
            found = self.published.of(bundle)
            self._of_bundles[bundle] = None if found is None else found.taxonomy
        return self._of_bundles[bundle]

    def branch(self, code: str) -> frozenset[str]:
        """Return the category's code and all below it; of one that is not in the taxonomy in force, its code alone."""
        taxonomy = self.in_force.taxonomy
        return taxonomy.branch(code) if code in taxonomy.by_code else frozenset({code})

    @property
    def key(self) -> Hashable:
        """What the names depend on."""
        return self.in_force.digest, self.languages


async def _names(stores: StoresDep, languages: LanguagesDep) -> Names:
    return Names(await run_in_threadpool(stores.in_force.now), languages, stores.in_force.published)


NamesDep = Annotated[Names, Depends(_names)]

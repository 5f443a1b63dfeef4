"""Puts a taxonomy in the place of the one in force, if the caller has seen that one and no answer loses its name."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

from api.access.authentication import Principal
from api.dependencies import service
from api.http.entity_tags import matches
from api.http.problems import Problem
from api.taxonomy.reading import invalid_taxonomy
from api.taxonomy.schemas import (
    CategoryChangeOut,
    TaxonomyAcceptanceOut,
    TaxonomyChangesOut,
    TaxonomyHistoryOut,
)
from shared.stores.taxonomies import Acceptance, OtherTaxonomyError, Taxonomies
from shared.stores.taxonomy_in_force import InForce, TaxonomyInForce, answered
from shared.taxonomy import Taxonomy
from shared.taxonomy.changes import CategoryChange, changes, counted
from shared.taxonomy.writing import digest

_SHOWN_CHANGES = 1000


class TaxonomyPuts:
    def __init__(self, taxonomies: Taxonomies, in_force: InForce) -> None:
        self._taxonomies = taxonomies
        self._in_force = in_force

    def compare(self, taxonomy: Taxonomy) -> TaxonomyChangesOut:
        """Return what the taxonomy would change; raises `Problem` if it could not be put."""
        now = self._in_force.now()
        return _changes_out(taxonomy, now.number, _checked(taxonomy, now), changed=False)

    def put(self, taxonomy: Taxonomy, if_match: str, caller: Principal) -> TaxonomyChangesOut:
        """Let the taxonomy be in force; one that is in force already changes nothing.

        Args:
            if_match: The header, which names the taxonomy that the caller has seen, or `*` for any.

        Raises:
            Problem: another taxonomy is in force than the caller has seen, this one cannot be put, or the label store
                cannot be reached.
        """
        now = self._in_force.now()
        if digest(taxonomy) == now.digest:
            return _changes_out(taxonomy, now.number, (), changed=False)
        if not matches(if_match, now.digest):
            raise self._other(now)
        found = _checked(taxonomy, now)
        try:
            version = self._taxonomies.put(
                taxonomy, replaces=now.number, tenant=caller.tenant, key=caller.key_id, changes=counted(found)
            )
        except OtherTaxonomyError:
            raise self._other(self._in_force.now()) from None
        except OSError as error:
            raise _away() from error
        return _changes_out(taxonomy, version.number, found, changed=True)

    def history(self, cursor: int | None, limit: int, caller: Principal) -> TaxonomyHistoryOut:
        """Return a page of the taxonomies that were put; raises `Problem` if the label store cannot be reached."""
        try:
            found, following = self._taxonomies.history(cursor, limit)
        except OSError as error:
            raise _away() from error
        return TaxonomyHistoryOut(
            history=[_acceptance_out(acceptance, caller) for acceptance in found], next_cursor=following
        )

    def _other(self, now: TaxonomyInForce) -> Problem:
        detail = (
            "Nothing was changed, because the taxonomy in force is not the one that If-Match names: it is "
            f"{now.digest} now, or another one is being put at this moment. Read it again (GET /v1/taxonomy), make "
            f'your changes to it, and send them with If-Match: "{now.digest}".'
        )
        headers = {"ETag": f'"{now.digest}"'}
        return Problem(HTTPStatus.PRECONDITION_FAILED, "taxonomy-changed", detail, headers=headers, digest=now.digest)


TaxonomyPutsDep = Annotated[
    TaxonomyPuts, service(lambda stores: TaxonomyPuts(stores.in_force.taxonomies, stores.in_force))
]


def _checked(taxonomy: Taxonomy, now: TaxonomyInForce) -> tuple[CategoryChange, ...]:
    """Return what the taxonomy changes; raises `Problem` if an answer or a label would lose its category."""
    if errors := [{"detail": problem} for problem in _losses(taxonomy, now)]:
        raise invalid_taxonomy(errors)
    return changes(now.taxonomy, taxonomy, answered(taxonomy, now.codes))


def _losses(taxonomy: Taxonomy, now: TaxonomyInForce) -> Iterator[str]:
    advice = "keep its line, write yes into its column retired, or a code into moved_to"
    for code in now.codes:
        if code not in taxonomy.by_code:
            name = now.taxonomy.name_of(code)
            yield f"the category {code!r} ({name}) is missing, which the model in service answers: {advice}"
    trained = set(now.codes)
    for category in now.taxonomy.categories:
        code = category.code
        if not category.active and code not in taxonomy.by_code and code not in trained:
            yield f"the category {code!r} ({category.name}) is missing, whose labels count for another one: {advice}"
    if now.codes and not answered(taxonomy, now.codes):
        yield "every category that the model in service answers is retired, so nothing could be answered"


def _changes_out(
    taxonomy: Taxonomy, number: int, found: tuple[CategoryChange, ...], *, changed: bool
) -> TaxonomyChangesOut:
    return TaxonomyChangesOut(
        digest=digest(taxonomy),
        number=number,
        changed=changed,
        changes=[CategoryChangeOut.model_validate(change) for change in found[:_SHOWN_CHANGES]],
        not_listed=max(len(found) - _SHOWN_CHANGES, 0),
        counts=counted(found),
        needs_training=any(change.needs_training for change in found),
    )


def _acceptance_out(acceptance: Acceptance, caller: Principal) -> TaxonomyAcceptanceOut:
    named = acceptance.tenant == caller.tenant or caller.sees_all_tenants
    by = f"{acceptance.tenant}/{acceptance.key}" if acceptance.key else acceptance.tenant
    return TaxonomyAcceptanceOut(
        number=acceptance.number,
        at=acceptance.at,
        by=by if named else None,
        digest=acceptance.digest,
        replaces=acceptance.replaces,
        changes=acceptance.changes,
    )


def _away() -> Problem:
    detail = "The label store, which keeps the taxonomies, cannot be reached or is full. Try again in a few seconds."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail, headers={"Retry-After": "30"})

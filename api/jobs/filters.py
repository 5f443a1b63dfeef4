"""The query parameters by which `GET /v1/jobs` selects jobs."""

import math
import re
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from api.jobs.schemas import KEY_LIMIT, NAME_LIMIT, PAIRS_LIMIT, VALUE_LIMIT
from shared.ledger import JobFilter, JobState, Search

_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)


def _written_out(text: Any) -> Any:
    if isinstance(text, str) and not _DATE.match(text):
        raise ValueError("write the date and the time, with a time zone: 2027-03-01T00:00:00Z")
    return text


def _searched(text: str) -> str:
    Search(text)
    return text


def _pair(text: str) -> str:
    if ":" not in text:
        raise ValueError("write KEY:VALUE, such as season:spring")
    return text


_Time = Annotated[AwareDatetime, BeforeValidator(_written_out)]
_Pair = Annotated[
    str, Field(max_length=KEY_LIMIT + 1 + VALUE_LIMIT, json_schema_extra={"pattern": ":"}), AfterValidator(_pair)
]


def _job_filter(
    state: Annotated[list[JobState] | None, Query(description="Return only jobs in one of these states.")] = None,
    q: Annotated[
        Annotated[str, AfterValidator(_searched)] | None,
        Query(
            max_length=NAME_LIMIT,
            description="Return only jobs in which all these words occur, in the name, a value of the metadata, or (6 "
            "characters or more) the id. Case, accents and signs do not count, and parts of words are found, too.",
        ),
    ] = None,
    metadata: Annotated[
        list[_Pair] | None,
        Query(
            max_length=PAIRS_LIMIT,
            description="`KEY:VALUE`: return only jobs whose metadata has exactly this pair; of several, all of them.",
        ),
    ] = None,
    created_after: Annotated[
        _Time | None, Query(description="Return only jobs that were accepted then or later (RFC 3339).")
    ] = None,
    created_before: Annotated[
        _Time | None, Query(description="Return only jobs that were accepted before (RFC 3339).")
    ] = None,
) -> JobFilter:
    return JobFilter(
        states=frozenset(state or ()),
        search=None if q is None else Search(q),
        pairs=frozenset(metadata or ()),
        since=_seconds(created_after, -math.inf),
        before=_seconds(created_before, math.inf),
    )


def _seconds(time: datetime | None, without: float) -> float:
    return without if time is None else time.timestamp()


JobFilterDep = Annotated[JobFilter, Depends(_job_filter)]

"""How many of a job's items stand where, as clients see it."""

from pydantic import BaseModel, Field


class JobCountsOut(BaseModel):
    """`pending + succeeded + failed + invalid + cancelled + expired` is always `total`."""

    total: int
    pending: int
    succeeded: int
    failed: int
    invalid: int = Field(description="Skipped because of `on_invalid=skip`.")
    cancelled: int
    expired: int
    needs_review: int = Field(description="How many of the succeeded items a person should look at.")

"""The list in a request for a job: items."""

from api.ingest import Listing
from api.jobs.schemas import JobOptions

_CONTENT = ("title", "description", "image")

ITEMS = Listing(
    "items",
    options=tuple(JobOptions.model_fields),
    columns=("id", *_CONTENT),
    content=_CONTENT,
    objects=("metadata",),
)

"""The list in a request for a job: items."""

from api.ingest import Listing
from api.jobs.schemas import JobOptions

ITEMS = Listing("items", options=tuple(JobOptions.model_fields), columns=("id", "title", "description", "image"))

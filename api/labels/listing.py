"""The list in a request with labels."""

from api.ingest import Listing
from api.labels.schemas import LabelOptions

LABELS = Listing(
    "labels",
    options=tuple(LabelOptions.model_fields),
    columns=("title", "description", "image", "job_id", "item_id", "code", "by", "at"),
    multipart=False,
)

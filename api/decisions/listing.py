"""The list in a request with decisions."""

from api.decisions.schemas import DecisionIn
from api.ingest import Listing

DECISIONS = Listing("decisions", options=(), columns=tuple(DecisionIn.model_fields), multipart=False)

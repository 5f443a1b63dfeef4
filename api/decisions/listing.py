"""The list in a request with decisions."""

from api.decisions.schemas import DecisionIn
from api.ingest import Listing

_COLUMNS = tuple(name for name in DecisionIn.model_fields if name != "also")  # a list, which no cell holds

DECISIONS = Listing("decisions", options=(), columns=_COLUMNS, multipart=False)

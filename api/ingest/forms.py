"""The forms in which a list of items or labels comes, and who reads each."""

from api.ingest import csv_table, json_items, ndjson
from api.ingest.body import CSV, JSON, NDJSON

FORMS = {JSON: json_items.items, NDJSON: ndjson.items, CSV: csv_table.items}

"""The forms in which a list of items or labels comes, and who reads each."""

from api.http.body import CSV, JSON, NDJSON
from api.ingest import csv_table, json_items, ndjson

FORMS = {JSON: json_items.items, NDJSON: ndjson.items, CSV: csv_table.items}

"""Categories: what they are, reading them from a table, and Rakuten France's, which serve where nobody brings others.

The challenge publishes the 27 codes alone (https://challengedata.ens.fr/challenges/35); the names, the tree above them
and the guidelines in `rakuten.csv` describe what its products are.
"""

import csv
from pathlib import Path

from shared.taxonomy.categories import Taxonomy
from shared.taxonomy.reading import TaxonomyError, read
from shared.taxonomy.writing import TAXONOMY_FILE, from_json, to_json

__all__ = [
    "RAKUTEN",
    "TAXONOMY_FILE",
    "Taxonomy",
    "TaxonomyError",
    "categories",
    "changes",
    "from_json",
    "lookup",
    "read",
    "reading",
    "to_json",
    "writing",
]


def _rakuten() -> Taxonomy:
    with (Path(__file__).parent / "rakuten.csv").open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        return read(table.fieldnames or (), ((table.line_num, row) for row in table))


RAKUTEN = _rakuten()
"""Rakuten France's 27 categories under departments."""

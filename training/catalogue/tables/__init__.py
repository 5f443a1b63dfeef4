"""A table of products in any form that spreadsheets and databases write, with the categories and pictures beside it."""

from training.catalogue.tables.categories import NAMES, find_categories
from training.catalogue.tables.rows import is_table
from training.catalogue.tables.source import TableSource

__all__ = ["NAMES", "TableSource", "find_categories", "is_table"]

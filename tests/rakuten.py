"""Rakuten's categories, as tests name them."""

from shared.taxonomy import RAKUTEN
from training.pipeline.categories import Categories

CODES = tuple(sorted((leaf.code for leaf in RAKUTEN.leaves), key=int))
"""In the order of the starter's classes."""
CATEGORIES = Categories(RAKUTEN, CODES)

"""Counts of labels as clients see them."""

from collections import Counter

from api.labels.index import LabelCounts
from api.labels.schemas import LabelCountsOut

_CODES = 1000
"""Codes that an answer names, those with most labels."""


def label_counts_out(counts: LabelCounts) -> LabelCountsOut:
    named = dict(sorted(Counter(counts.codes).most_common(_CODES)))
    return LabelCountsOut(
        labels=counts.labels,
        items=counts.items,
        corrections=counts.corrections,
        confirmations=counts.confirmations,
        conflicts=counts.conflicts,
        codes=named,
        other_codes=len(counts.codes) - len(named),
        newest=counts.newest,
    )

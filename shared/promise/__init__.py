"""The promise that accepted answers are right: bounds of their precision, and the threshold that keeps it.

Plain arithmetic on counts, so that the API needs no further library.
"""

from shared.promise.bounds import SURE, Precision
from shared.promise.state import PromiseState, state_of
from shared.promise.threshold import BINS, HIGHEST, LabelledAnswer, Threshold, bin_of, lowest, threshold_for

__all__ = [
    "BINS",
    "HIGHEST",
    "SURE",
    "LabelledAnswer",
    "Precision",
    "PromiseState",
    "Threshold",
    "bin_of",
    "lowest",
    "state_of",
    "threshold_for",
]

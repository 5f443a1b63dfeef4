"""comparison.html: challenger against champion on one page, which needs no network and no other file."""

from training.judge.comparison.flips import Compared
from training.judge.comparison.page import write_comparison

__all__ = ["Compared", "write_comparison"]

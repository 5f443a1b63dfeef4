"""Distances between two histograms.

Two formulas in plain Python: the libraries that have them (Evidently, NannyML, alibi-detect, Frouros) work on tables of
single items, which are not kept here, and would bring pandas and SciPy into the API. The tests hold Jensen-Shannon
against SciPy's.
"""

from collections.abc import Sequence
from math import log, log2, sqrt

_PRIOR = 1
"""Items added per bin in use, as in Laplace's rule of succession: with it, samples of one distribution stay below
`psi_by_chance` even if some bins are rare."""
_SIGMAS = 3.09
"""The one-sided 99.9 % of a normal distribution."""


def psi(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The population stability index Σ (p - q) ln(p / q), also known as Jeffreys' divergence.

    It is infinite if a bin is empty on one side only. So one item per bin in use is added to each side, distributed
    like both sides together: this hardly changes large histograms, and a bin that is empty on both sides adds nothing.
    """
    return sum((p - q) * log(p / q) for p, q in _smoothed(counts, reference))


def largest_part(counts: Sequence[int], reference: Sequence[int]) -> int:
    """The index of the bin that adds most to `psi`."""
    used = [index for index, both in enumerate(zip(counts, reference, strict=True)) if any(both)]
    parts = [(p - q) * log(p / q) for p, q in _smoothed(counts, reference)]
    return used[max(range(len(parts)), key=parts.__getitem__)]


def psi_by_chance(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The value that `psi` exceeds once in a thousand times if both are samples of the same distribution.

    `psi` is then distributed as χ²(bins - 1) · (1/n + 1/m) (B. Yurdakul, "Statistical Properties of Population
    Stability Index", Western Michigan University 2018), with mean (bins - 1) (1/n + 1/m). The quantile of χ² is
    approximated after Wilson and Hilferty (1931).
    """
    free = max(len(_smoothed(counts, reference)) - 1, 1)
    part = 2 / (9 * free)
    return free * (1 - part + _SIGMAS * sqrt(part)) ** 3 * (1 / sum(counts) + 1 / sum(reference))


def jensen_shannon(counts: Sequence[int], reference: Sequence[int]) -> float:
    """The Jensen-Shannon distance, from 0 (alike) to 1 (no bin in common)."""
    n, m = sum(counts), sum(reference)
    divergence = 0.0
    for count, expected in zip(counts, reference, strict=True):
        p, q = count / n, expected / m
        middle = (p + q) / 2
        divergence += sum(share * log2(share / middle) for share in (p, q) if share) / 2
    return sqrt(max(divergence, 0.0))


def _smoothed(counts: Sequence[int], reference: Sequence[int]) -> list[tuple[float, float]]:
    """Both shares of each bin that is not empty on both sides."""
    used = [(count, expected) for count, expected in zip(counts, reference, strict=True) if count or expected]
    n, m, prior = sum(counts), sum(reference), _PRIOR * len(used)
    pooled = [(count + expected) / (n + m) for count, expected in used]
    return [
        ((count + prior * share) / (n + prior), (expected + prior * share) / (m + prior))
        for (count, expected), share in zip(used, pooled, strict=True)
    ]

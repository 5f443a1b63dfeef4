import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2

from api.drift.distances import jensen_shannon, largest_part, psi, psi_by_chance

HISTOGRAMS = st.integers(2, 27).flatmap(
    lambda bins: st.tuples(*[st.lists(st.integers(0, 10**6), min_size=bins, max_size=bins).filter(any)] * 2)
)


@given(HISTOGRAMS)
def test_jensen_shannon_distance_equals_scipy(pair: tuple[list[int], list[int]]) -> None:
    assert jensen_shannon(*pair) == pytest.approx(float(jensenshannon(*pair, base=2)), abs=1e-7)


@given(HISTOGRAMS)
def test_psi_is_finite_symmetric_and_zero_between_equals(pair: tuple[list[int], list[int]]) -> None:
    counts, reference = pair
    assert 0 <= psi(counts, reference) < np.inf
    assert psi(counts, reference) == pytest.approx(psi(reference, counts))
    assert psi(counts, [3 * count for count in counts]) == pytest.approx(0, abs=1e-12)


def test_psi_of_large_histograms_is_the_textbook_formula() -> None:
    counts, reference = [200_000, 300_000, 500_000], [400_000, 400_000, 200_000]
    shares = np.array(counts) / sum(counts), np.array(reference) / sum(reference)
    assert psi(counts, reference) == pytest.approx(
        ((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum(), 1e-4
    )


def test_psi_ignores_bins_empty_on_both_sides() -> None:
    assert psi([5, 0, 7, 0], [50, 0, 20, 0]) == psi([5, 7], [50, 20])
    assert psi_by_chance([5, 0, 7], [50, 0, 20]) == psi_by_chance([5, 7], [50, 20])


@given(HISTOGRAMS)
def test_largest_part_is_a_bin_that_differs(pair: tuple[list[int], list[int]]) -> None:
    counts, reference = pair
    assume(psi(counts, reference) > 1e-6)
    most = largest_part(counts, reference)
    assert counts[most] * sum(reference) != reference[most] * sum(counts)


@pytest.mark.parametrize("bins", [2, 5, 12, 27])
def test_psi_by_chance_follows_the_chi_squared_distribution(bins: int) -> None:
    expected = chi2.ppf(0.999, bins - 1) * (1 / (10 * bins) + 1 / (20 * bins))
    assert psi_by_chance([10] * bins, [20] * bins) == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(("items", "validation"), [(100, 32), (100, 12_000), (1000, 300), (50_000, 12_000)])
@pytest.mark.parametrize("bins", [2, 12, 27])
def test_psi_of_samples_of_one_distribution_stays_within_chance(items: int, validation: int, bins: int) -> None:
    """Also where some bins are rare, so that a sample may lack them."""
    random = np.random.default_rng(bins)
    shares = random.dirichlet(np.full(bins, 0.7))
    pairs = zip(random.multinomial(items, shares, 400), random.multinomial(validation, shares, 400), strict=True)
    samples = [(counts.tolist(), reference.tolist()) for counts, reference in pairs]
    # At most one in a hundred, where a formula of large samples would have one in a thousand.
    assert sum(psi(*pair) > max(0.2, psi_by_chance(*pair)) for pair in samples) <= 4

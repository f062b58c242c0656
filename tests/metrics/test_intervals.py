"""Clopper-Pearson intervals against the binomial distribution itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, norm

from jaxattack.metrics import area_interval, clopper_pearson
from jaxattack.types import InputError


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_the_interval_equals_scipys_exact_one(counts, confidence):
    successes, trials = counts
    low, high = clopper_pearson(successes, trials, confidence)
    twin = binomtest(successes, trials).proportion_ci(confidence, method="exact")
    np.testing.assert_allclose([low, high], [twin.low, twin.high], atol=1e-10)


@pytest.mark.parametrize("p", [0.001, 0.01, 0.1, 0.5, 0.93])
def test_the_interval_covers_the_truth_at_least_as_often_as_it_says(p):
    successes = np.arange(201)
    low, high = clopper_pearson(successes, 200)
    coverage = binom.pmf(successes, 200, p)[(low <= p) & (p <= high)].sum()
    assert coverage >= 0.95


def test_the_ends_are_exact_and_no_trials_tell_nothing():
    low, high = clopper_pearson(np.array([0, 7, 0]), np.array([7, 7, 0]))
    assert (low[0], high[1]) == (0, 1)
    assert (low[2], high[2]) == (0, 1)
    np.testing.assert_allclose(high[0], 1 - 0.025 ** (1 / 7))


@pytest.mark.parametrize(("successes", "confidence"), [(3, 0.95), (-1, 0.95), (np.nan, 0.95), (1, 0.0), (1, 1.0)])
def test_counts_and_confidences_out_of_range_are_refused(successes, confidence):
    with pytest.raises(InputError):
        clopper_pearson(successes, 2, confidence)


def _newcombe(area, positives, negatives, z=1.959963984540054):
    """Method 5 on a grid of areas, term by term as Newcombe 2006 has it."""
    a = np.linspace(0, 1, 100_001)
    n = (positives + negatives) / 2
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    variance = (a * (1 - a) + (n - 1) * (q1 - a**2) + (n - 1) * (q2 - a**2)) / (positives * negatives)
    inside = a[(a - area) ** 2 <= z**2 * variance + 1e-15]
    return inside.min(), inside.max()


@pytest.mark.parametrize(("area", "positives", "negatives"), [(1, 3, 30), (0.5, 3, 30), (0, 1, 8), (0.9, 10, 12)])
def test_the_interval_of_an_area_holds_the_areas_within_z_deviations(area, positives, negatives):
    np.testing.assert_allclose(
        area_interval(area, positives, negatives), _newcombe(area, positives, negatives), atol=2e-5
    )


@pytest.mark.parametrize(("shift", "positives"), [(0.0, 3), (1.2, 3), (2.5, 10)])
def test_the_interval_of_an_area_covers_the_truth_with_few_scores(shift, positives):
    rng = np.random.default_rng(0)
    high, low = rng.normal(shift, 1, (400, positives, 1)), rng.normal(0, 1, (400, 1, 30))
    areas = (high > low).mean(axis=(1, 2))
    truth = float(norm.cdf(shift / np.sqrt(2)))
    covered = [low <= truth <= high for low, high in (area_interval(area, positives, 30) for area in areas)]
    assert np.mean(covered) > 0.92


def test_an_area_of_no_scores_has_no_interval():
    with pytest.raises(InputError, match="at least one of each"):
        area_interval(1.0, 0, 30)
    for area in (1.5, -0.1, np.nan):
        with pytest.raises(InputError, match=f"area is {area}: give the area under a curve"):
            area_interval(area, 3, 30)

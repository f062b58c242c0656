"""Clopper-Pearson intervals against the binomial distribution itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from jaxattack.metrics import clopper_pearson
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


@pytest.mark.parametrize(("successes", "confidence"), [(3, 0.95), (-1, 0.95), (1, 0.0), (1, 1.0)])
def test_counts_and_confidences_out_of_range_are_refused(successes, confidence):
    with pytest.raises(InputError):
        clopper_pearson(successes, 2, confidence)

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.metrics import vulnerability, vulnerability_interval
from jaxattack.metrics.pair_limits import cluster_limits, pair_limits


def divergence(u, p):
    """Of Bernoulli trials, term by term."""
    terms = [(u, p), (1 - u, 1 - p)]
    return sum(a * math.log(a / b) for a, b in terms if a > 0)


@given(st.floats(0, 1), st.integers(1, 300), st.floats(1e-4, 0.4))
def test_at_each_limit_the_divergence_is_that_of_the_tail(mean, pairs, tail):
    low, high = (float(end[0]) for end in pair_limits(np.array([mean]), np.array([pairs]), tail))
    assert 0 <= low <= mean <= high <= 1
    for end in (low, high):
        if 1e-6 < end < 1 - 1e-6:
            assert pairs * divergence(mean, end) == pytest.approx(-math.log(tail), rel=1e-4)


def test_of_means_of_0_and_1_they_have_a_closed_form():
    low, high = pair_limits(np.array([0.0, 1.0, 0.5]), np.array([10, 10, 0]), 0.025)
    np.testing.assert_allclose(low, [0, 0.025**0.1, 0], atol=1e-9)
    np.testing.assert_allclose(high, [1 - 0.025**0.1, 1, 1], atol=1e-9)


def test_pairs_of_one_cluster_are_taken_for_the_worst_and_uneven_clusters_tell_nothing():
    member = np.array([[True], [False]] * 4)
    area, starts = np.array([0.75]), np.arange(0, 8, 2)
    low, high = cluster_limits(area, member, starts, 0.025)
    # A quarter of the pairs are within clusters; those across them are on average between .5 / .75 and .75 / .75, two at a time apart.
    ends = (
        pair_limits(np.array([2 / 3]), np.array([2]), 0.025)[0],
        pair_limits(np.array([1.0]), np.array([2]), 0.025)[1],
    )
    np.testing.assert_allclose([low, high], ends)
    alone = cluster_limits(area, member, np.arange(8), 0.025)
    np.testing.assert_allclose(alone, pair_limits(area, np.array([4]), 0.025))
    for uneven in (starts[[0, 1, 3]], np.array([0])):
        np.testing.assert_array_equal(cluster_limits(area, member, uneven, 0.025), [[0.0], [1.0]])


def test_one_model_out_of_order_does_not_undo_what_all_others_say():
    """Of 128 pairs the lower end was .97, .65 with one model below all others, and .90 with two."""
    member = np.array([[True], [False]] * 128)
    ends = []
    for number in range(3):
        signal = member * 10.0 + np.linspace(0, 1, 256)[:, None]
        signal[: 2 * number : 2] = -50
        ends.append(vulnerability_interval(signal, member, np.arange(256) // 2)[0, 0])
    assert ends[0] > ends[1] > ends[2] > 0.9


@pytest.mark.parametrize("share", [0.005, 0.02])
def test_models_that_are_out_of_order_now_and_then_are_covered(share):
    rng = np.random.default_rng(3)
    half = rng.random((64, 2000)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(128, -1)
    signal = rng.normal(size=member.shape) + 6 * member
    signal[member & (rng.random(member.shape) < share)] = -50
    low, high = vulnerability_interval(signal, member, np.arange(128) // 2)
    truth = 1 - share  # 6 deviations apart the others are in order but for one in a hundred thousand
    assert (low > truth).mean() <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 2000)
    assert (high < truth).mean() <= 0.05
    assert np.quantile(low, 0.05) > 0.8
    assert vulnerability(signal, member).mean() == pytest.approx(truth, abs=0.002)

"""The Jensen-Shannon distance of members from non-members: closed forms, its floor, and what bins can tell apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon

from jaxattack.metrics.divergence import Bins, jensen_shannon, risk_distance
from jaxattack.types import InputError

histograms = arrays(float, 7, elements=st.integers(0, 20).map(float)).filter(lambda counts: counts.sum() > 0)


@settings(max_examples=30)
@given(histograms, histograms)
def test_the_divergence_is_scipys_and_symmetric(p: np.ndarray, q: np.ndarray):
    divergence = jensen_shannon(p, q)
    assert divergence == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-12)
    assert divergence == pytest.approx(jensen_shannon(q, p), abs=1e-15)
    assert 0 <= divergence <= 1 + 1e-12


def test_equal_values_are_at_distance_0_and_disjoint_ones_at_1():
    values = np.geomspace(1e-5, 10, 400)
    assert risk_distance(values, values).measured == 0
    apart = risk_distance(np.full(400, 1e-4), np.full(300, 2.0))
    assert apart.measured == 1
    assert 0.99 < apart.excess < 1


@pytest.mark.parametrize("records", [500, 2000])
def test_chance_leaves_the_floor_that_is_derived(records: int):
    bins = Bins(count=20)
    values = np.exp(np.random.default_rng(0).uniform(math.log(bins.low), math.log(bins.high), (2, records)))
    distance = risk_distance(*values, bins)
    floor = math.sqrt((bins.count - 1) / (4 * records * math.log(2)))
    assert distance.null == pytest.approx(floor, rel=0.05)
    assert distance.measured == pytest.approx(floor, rel=0.35)
    assert distance.excess < floor


def test_log_spaced_bins_tell_small_losses_apart_and_linear_ones_do_not():
    rng = np.random.default_rng(1)
    members, others = np.exp(rng.normal(math.log(1e-4), 0.5, 600)), np.exp(rng.normal(math.log(1e-2), 0.5, 600))
    assert risk_distance(members, others).measured > 0.99
    assert risk_distance(members, others, Bins(logarithmic=False)).measured == 0


def test_what_is_out_of_range_is_in_the_outer_bins():
    bins = Bins(count=3, low=1e-3, high=1.0)
    np.testing.assert_allclose(bins.edges, [1e-3, 1e-2, 1e-1, 1])
    assert bins.place(np.array([0.0, 1e-9, 5e-3, 0.01, 0.5, 1.0, 40.0, np.inf])).tolist() == [0, 0, 0, 1, 2, 2, 2, 2]


def test_nothing_to_compare_is_refused_with_a_sentence():
    with pytest.raises(InputError, match="histogram is empty"):
        risk_distance(np.ones(3), np.ones(0))
    for wrong in (np.ones(4), np.array([-1.0, 2.0, 3.0]), np.array([np.nan, 1.0, 1.0])):
        with pytest.raises(InputError, match="give counts of the same bins"):
            jensen_shannon(wrong, np.ones(3))
    with pytest.raises(InputError, match="NaN"):
        risk_distance(np.array([np.nan]), np.ones(2))
    with pytest.raises(InputError, match="low is 0.0 and high 15.0"):
        Bins(low=0.0)
    with pytest.raises(InputError, match="count"):
        Bins(count=0)

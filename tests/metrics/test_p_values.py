"""p-values beside a count of every pair, and where they must be uniform."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest
from scipy.stats import t as student

from jaxattack.metrics.p_values import leave_one_out_p_values, predictive_p_values, rank_p_values
from jaxattack.types import InputError

FEW = st.sampled_from([-1.0, 0.0, 0.5, 2.0])


@given(arrays(float, st.integers(0, 8), elements=FEW), arrays(float, st.integers(0, 8), elements=FEW))
def test_ranks_are_a_count_of_every_pair_with_ties_against_the_record(scores, null):
    naive = [(1 + sum(other >= score for other in null)) / (1 + len(null)) for score in scores]
    np.testing.assert_array_equal(rank_p_values(scores, null), naive)
    own = [
        (1 + sum(null[other] >= null[i] for other in range(len(null)) if other != i)) / len(null)
        for i in range(len(null))
    ]
    np.testing.assert_allclose(leave_one_out_p_values(null), own, rtol=1e-15)


def test_ranks_of_exchangeable_scores_are_uniform_and_hold_every_rate():
    rng = np.random.default_rng(0)
    p = np.array([rank_p_values(rng.normal(size=1), rng.normal(size=19))[0] for _ in range(4000)])
    for rate in (0.05, 0.1, 0.5):
        assert abs((p <= rate + 1e-9).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / len(p))
    own = leave_one_out_p_values(rng.normal(size=1000))
    np.testing.assert_allclose(np.sort(own), np.arange(1, 1001) / 1000)


def test_a_predictive_p_value_is_uniform_whatever_the_records_scale_and_few_references():
    rng = np.random.default_rng(1)
    records, models = 20_000, 8
    scale, place = rng.lognormal(size=records), rng.normal(size=records)
    phi = place + scale * rng.normal(size=(models + 1, records))
    out = rng.random((models, records)) < 0.5
    out[:3] = True
    p = predictive_p_values(phi[0], phi[1:], out)
    assert kstest(p, "uniform").pvalue > 0.01
    for record in range(50):
        own = phi[1:, record][out[:, record]]
        t = (phi[0, record] - own.mean()) / (own.std(ddof=1) * np.sqrt(1 + 1 / len(own)))
        assert p[record] == pytest.approx(student.sf(t, len(own) - 1), rel=1e-6)


def test_a_predictive_p_value_without_spread_is_a_rank_and_without_references_one():
    still = np.zeros((3, 4))
    out = np.array([[True, True, True, False], [True, True, False, False], [True, True, False, False]])
    np.testing.assert_array_equal(
        predictive_p_values(np.array([1.0, 0.0, 1.0, 1.0]), still, out), [0.25, 1.0, 1.0, 1.0]
    )


@given(st.floats(-50, 50), st.integers(2, 9))
def test_references_that_are_all_the_same_do_not_vary_by_rounding(level, count):
    still, out = np.full((count, 3), level), np.ones((count, 3), bool)
    value = np.array([np.nextafter(level, -np.inf), level, np.nextafter(level, np.inf)])
    np.testing.assert_array_equal(predictive_p_values(value, still, out), [1.0, 1.0, 1 / (count + 1)])


def test_a_score_that_is_none_is_not_the_highest_of_all():
    scores = np.array([1.0, np.nan])
    for figure in (lambda: rank_p_values(scores, np.zeros(9)), lambda: rank_p_values(np.zeros(9), scores)):
        with pytest.raises(InputError, match="scores contain NaN"):
            figure()
    with pytest.raises(InputError, match="scores contain NaN"):
        leave_one_out_p_values(scores)

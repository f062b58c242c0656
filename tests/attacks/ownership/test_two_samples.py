"""Welch's t-test beside SciPy's, p-values of draws beside a loop, and the regressor on features that tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hmean, ttest_ind

from jaxattack.attacks.ownership.regressor import fit, outputs
from jaxattack.attacks.ownership.two_samples import combined_p_value, welch


def samples(shift=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, 40), rng.normal(shift, 2, 55)


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 0.99999])
@pytest.mark.parametrize("others", [3, 7, 30])
def test_a_suspect_of_whom_all_records_are_alike_is_accused_by_no_rounding(value, others):
    """The means of fifty and of thirty times .1 differ in the last digit, and so do the numbers from their mean: p was 3e-12."""
    test = welch(np.full(50, value), np.full(others, value))
    assert (test.t, test.p_value) == (0, 1)
    rng = np.random.default_rng(0)
    assert combined_p_value(np.full(50, value), np.full(others, value), exposure=3, draws=5, rng=rng) == 1


def test_welch_is_scipys():
    member, other = samples()
    test = welch(member, other)
    t, p = ttest_ind(other, member, equal_var=False, alternative="greater")
    assert float(test.t) == pytest.approx(t)
    assert float(test.p_value) == pytest.approx(p)


@pytest.mark.parametrize(("values", "t", "p"), [((1, 1), 0.0, 1.0), ((1, 2), np.inf, 0.0), ((2, 1), -np.inf, 1.0)])
def test_samples_that_do_not_vary_decide_all_or_nothing(values, t, p):
    test = welch(np.full(5, values[0]), np.full(5, values[1]))
    assert (float(test.t), float(test.p_value)) == (t, p)


def test_p_values_of_draws_are_combined_as_in_a_loop():
    member, other = samples(1.0)
    rng = np.random.default_rng(7)
    rows = [np.argsort(rng.random((30, len(side))), axis=1)[:, :10] for side in (member, other)]
    p = [welch(member[one], other[two]).p_value for one, two in zip(*rows, strict=True)]
    combined = combined_p_value(member, other, exposure=10, draws=30, rng=np.random.default_rng(7))
    assert combined == pytest.approx(hmean(p))
    assert combined_p_value(np.zeros(5), np.ones(5), exposure=3, draws=4, rng=rng) == 0.0


def test_the_t_test_is_valid_where_records_are_drawn_anew_for_each_suspect():
    rng = np.random.default_rng(1)
    p = welch(rng.normal(size=(2000, 30)), rng.normal(size=(2000, 30))).p_value
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_the_t_test_accuses_all_independents_or_none_where_they_are_asked_about_the_same_records():
    rng = np.random.default_rng(2)
    accused = []
    for _ in range(200):  # owners: records that are hard for everybody, and what thirty suspects make of them
        hard = rng.normal(size=(2, 1, 30)) + 0.3 * rng.normal(size=(2, 30, 30))
        accused.append((welch(*hard).p_value < 0.05).mean())
    assert np.mean(accused) == pytest.approx(0.05, abs=0.04)
    assert np.mean(np.array(accused) > 0.3) > 0.03  # nearly all of them where the draw of the records is bad


def test_the_regressor_tells_what_can_be_told_and_nothing_else():
    rng = np.random.default_rng(0)
    member, other = rng.normal(1, 1, (100, 6)), rng.normal(0, 1, (100, 6))
    member[:, 5] = other[:, 5] = 3.0  # never varies
    regressor = fit(member, other, seed=0)
    seen = outputs(regressor, np.concatenate([rng.normal(1, 1, (200, 6)), rng.normal(0, 1, (200, 6))]))
    assert seen[:200].mean() < -0.5
    assert seen[200:].mean() > 0.5
    assert np.abs(seen).max() <= 1
    again = fit(1000 * member, 1000 * other, seed=0)
    np.testing.assert_allclose(outputs(again, 1000 * member), outputs(regressor, member), atol=0.01)

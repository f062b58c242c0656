"""ROC curves against scikit-learn, closed forms and loops over every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as twin_roc_curve

from jaxattack.metrics import advantage, auc, balanced_accuracy, ppv_at, roc_curve, thin, tpr_at_fpr
from jaxattack.types import InputError

tied_data = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        arrays(np.int64, n, elements=st.integers(-4, 4)),
        arrays(bool, n).filter(lambda member: member.any() and not member.all()),
    )
)


@given(tied_data)
def test_the_curve_equals_sklearns_on_tied_data(data):
    scores, member = data[0].astype(float), data[1]
    roc = roc_curve(scores, member)
    fpr, tpr, threshold = twin_roc_curve(member, scores, drop_intermediate=False)
    np.testing.assert_array_equal(roc.threshold, threshold)
    np.testing.assert_allclose(roc.fpr, fpr, rtol=1e-15)
    np.testing.assert_allclose(roc.tpr, tpr, rtol=1e-15)
    np.testing.assert_allclose(auc(roc), roc_auc_score(member, scores), atol=1e-12)


@given(tied_data, st.sampled_from([np.exp, np.arctan, lambda x: 3 * x + 1, lambda x: x**3]))
def test_a_strictly_monotone_transform_changes_no_count(data, transform):
    scores, member = data[0].astype(float), data[1]
    before, after = roc_curve(scores, member), roc_curve(transform(scores), member)
    np.testing.assert_array_equal(before.fp, after.fp)
    np.testing.assert_array_equal(before.tp, after.tp)
    assert auc(before) == auc(after)


@given(tied_data, st.sampled_from([0.0, 0.05, 0.1, 0.29, 0.5, 1.0]))
def test_tpr_at_fpr_is_the_best_of_all_thresholds_that_keep_the_bound(data, fpr):
    scores, member = data
    thresholds = [np.inf, *scores]
    kept = [(scores[member] >= t).sum() for t in thresholds if (scores[~member] >= t).sum() / (~member).sum() <= fpr]
    found = tpr_at_fpr(roc_curve(scores.astype(float), member), fpr)
    assert found.true_positives == max(kept)
    assert found.tpr == max(kept) / member.sum()
    assert found.false_positives == (scores[~member] >= found.threshold).sum()
    assert found.low <= found.tpr <= found.high
    assert found.resolvable == (fpr * (~member).sum() >= 1)


@given(tied_data)
def test_advantage_and_balanced_accuracy_are_those_of_the_best_threshold(data):
    scores, member = data
    best = max((scores[member] >= t).mean() - (scores[~member] >= t).mean() for t in [np.inf, *scores])
    roc = roc_curve(scores.astype(float), member)
    assert advantage(roc) == pytest.approx(best, abs=1e-12)
    assert balanced_accuracy(roc) == pytest.approx((1 + best) / 2, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_shifted_gaussians_have_the_area_and_rates_of_the_closed_form(shift):
    rng = np.random.default_rng(0)
    member = np.arange(400_000) % 2 == 0
    roc = roc_curve(rng.standard_normal(400_000) + shift * member, member)
    assert auc(roc) == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.003)
    found = tpr_at_fpr(roc, 0.01)
    assert found.tpr == pytest.approx(norm.cdf(shift - norm.isf(0.01)), abs=0.01)


def test_intervals_on_null_scores_cover_the_rate_of_their_threshold():
    rng = np.random.default_rng(1)
    member = np.arange(1000) % 2 == 0
    covered = 0
    for _ in range(400):
        found = tpr_at_fpr(roc_curve(rng.standard_normal(1000), member), 0.05)
        covered += found.low <= norm.sf(found.threshold) <= found.high
    assert covered / 400 >= 0.93


def test_a_bound_equal_to_a_quotient_of_counts_is_attained():
    # 0.29 * 100 is 28.999999999999996 in floating point.
    member = np.repeat([False, True], 100)
    found = tpr_at_fpr(roc_curve(np.tile(np.arange(100.0), 2), member), 0.29)
    assert found.false_positives == 29


def test_a_rate_below_one_false_positive_is_marked_as_not_resolvable():
    roc = roc_curve(np.array([0.0, 1.0, 2.0, 3.0]), np.array([False, False, True, True]))
    assert tpr_at_fpr(roc, 0.5).resolvable
    found = tpr_at_fpr(roc, 0.1)
    assert not found.resolvable
    assert (found.tpr, found.false_positives) == (1, 0)


def test_ppv_follows_from_bayes_rule():
    assert ppv_at(0.5, 0.01, 0.1) == pytest.approx(0.05 / (0.05 + 0.009))
    assert ppv_at(0.2, 0.0, 0.01) == 1
    assert np.isnan(ppv_at(0.0, 0.0, 0.5))
    for rates in ((0.5, 0.1, 2.0), (0.5, -0.1, 0.5), (np.nan, 0.1, 0.5)):
        with pytest.raises(InputError, match="give a share, 0 to 1"):
            ppv_at(*rates)


def test_a_thinned_curve_keeps_its_ends_and_only_its_own_points():
    rng = np.random.default_rng(2)
    roc = roc_curve(rng.standard_normal(5000), rng.random(5000) < 0.5)
    thinned = thin(roc, 100)
    points = set(zip(roc.fp.tolist(), roc.tp.tolist(), strict=True))
    assert len(thinned.fp) <= 102
    assert set(zip(thinned.fp.tolist(), thinned.tp.tolist(), strict=True)) <= points
    assert (thinned.fp[0], thinned.tp[0], thinned.fp[-1], thinned.tp[-1]) == (0, 0, roc.negatives, roc.positives)
    assert thin(thinned, 200) is thinned


@pytest.mark.parametrize(
    ("scores", "member", "reason"),
    [
        ([0.0, np.nan], [True, False], "NaN"),
        ([0.0, 1.0], [True, True], "0 non-members"),
        ([0.0, 1.0], [True], "shape"),
        ([0.0, 1.0, 2.0], [1, 0, -1], "member holds -1"),
        (["low", "high"], [1, 0], "scores have dtype <U4: give numbers"),
        ([0.0, 1.0], ["member", "other"], "member has dtype <U6: give 0 or 1"),
    ],
)
def test_scores_without_a_curve_are_refused(scores, member, reason):
    with pytest.raises(InputError, match=reason):
        roc_curve(np.array(scores), np.array(member))

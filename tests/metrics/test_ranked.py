"""Curves of all targets at once against one curve a target, on tied scores too."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.metrics import auc, cross_fit, roc_curve, tpr_at_fpr
from jaxattack.metrics.cross_fit import cross_fitted_accuracies, cross_fitted_accuracy
from jaxattack.metrics.ranked import Ranked, TargetCurves
from jaxattack.types import InputError


@pytest.fixture(params=[3, 40, 10**6])
def drawn(request):
    """Scores of so many values, which tie in the first two cases, and the truth."""
    rng = np.random.default_rng(request.param)
    member = rng.random((6, 90)) < np.linspace(0.2, 0.7, 6)[:, None]
    return rng.integers(0, request.param, member.shape) / 7 + member, member


@pytest.mark.parametrize("size", [1, 7, 540, 2**16])
def test_the_pooled_curve_is_that_of_all_scores_however_many_at_a_time(drawn, size, monkeypatch):
    scores, member = drawn
    expected = roc_curve(scores.ravel(), member.ravel())
    monkeypatch.setattr("jaxattack.metrics.roc.POINTS", size)
    monkeypatch.setattr("jaxattack.metrics.ranked.PLACES", size)
    ours = Ranked.of(scores, member).curve()
    for field in ("threshold", "fp", "tp"):
        np.testing.assert_array_equal(getattr(ours, field), getattr(expected, field))
    assert auc(ours) == auc(expected)
    assert (ours.negatives, ours.positives) == ((~member).sum(), member.sum())


def test_the_pooled_curve_is_that_of_all_scores(drawn):
    scores, member = drawn
    ours, curve = Ranked.of(scores, member).curve(), roc_curve(scores.ravel(), member.ravel())
    for field in ("threshold", "fp", "tp"):
        np.testing.assert_array_equal(getattr(ours, field), getattr(curve, field))


def test_the_curve_of_each_target_is_its_own(drawn):
    scores, member = drawn
    each = TargetCurves.of(scores, member)
    curves = [roc_curve(*one) for one in zip(scores, member, strict=True)]
    assert each.auc().tolist() == [auc(curve) for curve in curves]
    for fpr in (0.01, 0.1, 0.5):
        assert each.tpr((fpr,))[0].tolist() == [tpr_at_fpr(curve, fpr).tpr for curve in curves]
    for row, (record, score, truth) in enumerate(zip(each.record, each.score, each.member, strict=True)):
        np.testing.assert_array_equal(score, scores[row, record])
        np.testing.assert_array_equal(truth, member[row, record])


@pytest.mark.parametrize("thresholds", [7, 1000])
def test_the_cross_fitted_accuracy_of_each_target_is_that_of_its_scores_alone(drawn, thresholds, monkeypatch):
    monkeypatch.setattr(cross_fit, "THRESHOLDS", thresholds)
    scores, member = drawn
    alone = [cross_fitted_accuracy(Ranked.of(scores[[row]], member[[row]])) for row in range(len(scores))]
    assert cross_fitted_accuracies(TargetCurves.of(scores, member)).tolist() == alone


def test_levels_count_the_cuts_that_a_score_reaches(drawn):
    scores, member = drawn
    cuts = np.quantile(scores, [0.1, 0.5, 0.9], method="lower")
    number = np.arange(8, dtype=np.uint8).reshape(2, 4)
    reached = (scores[:, :, None] >= np.unique(cuts)).sum(axis=2)
    found = Ranked.of(scores, member).levels(np.unique(cuts), number)
    np.testing.assert_array_equal(found, reached + 4 * member)


def test_nan_is_refused():
    with pytest.raises(InputError, match="NaN"):
        Ranked.of(np.array([[0.0, np.nan]]), np.array([[True, False]]))

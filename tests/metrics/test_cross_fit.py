"""Cross-fitted balanced accuracy against a loop over thresholds, and on scores that know nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from jaxattack.metrics import balanced_accuracy, roc_curve, summarise
from jaxattack.metrics.cross_fit import cross_fitted_accuracy
from jaxattack.metrics.ranked import Ranked


def cross_fitted(scores: np.ndarray, member: np.ndarray) -> float:
    return cross_fitted_accuracy(Ranked.of(scores, member))


def naive(scores: np.ndarray, member: np.ndarray) -> float:
    second = np.random.default_rng(0).permutation(scores.shape[1]) >= scores.shape[1] // 2

    def gain(half: np.ndarray, threshold: float) -> float:
        called, truth = scores[:, half] >= threshold, member[:, half]
        return called[truth].mean() - called[~truth].mean()

    # Everybody is called a member below the least score.
    tried = [-np.inf, *np.unique(scores)]
    gains = {side: [gain(second == side, threshold) for threshold in tried] for side in (False, True)}
    return 0.5 + (gains[False][int(np.argmax(gains[True]))] + gains[True][int(np.argmax(gains[False]))]) / 4


@pytest.mark.parametrize("levels", [4, 100])
def test_each_half_is_judged_at_the_threshold_of_the_other(levels):
    rng = np.random.default_rng(levels)
    for _ in range(10):
        member = rng.random((3, 60)) < 0.4
        scores = rng.integers(0, levels, member.shape) + 0.2 * levels * member
        assert cross_fitted(scores, member) == pytest.approx(naive(scores, member), abs=1e-12)


def test_scores_that_know_nothing_are_right_half_of_the_time():
    rng = np.random.default_rng(0)
    member = rng.permuted(np.tile(np.arange(1000) < 500, (400, 1)), axis=1)
    scores = rng.standard_normal(member.shape)
    best = np.mean([balanced_accuracy(roc_curve(*one)) for one in zip(scores, member, strict=True)])
    assert best > 0.515  # the best threshold in sample is above chance by luck alone
    found = summarise(scores, member).target_balanced_accuracy
    assert found.mean == pytest.approx(0.5, abs=3 * found.sd / np.sqrt(400))
    assert found.sd < 0.02


def test_shifted_gaussians_have_the_accuracy_of_the_middle():
    rng = np.random.default_rng(1)
    member = rng.random((4, 50_000)) < 0.5
    scores = rng.standard_normal(member.shape) + member
    assert cross_fitted(scores, member) == pytest.approx(norm.cdf(0.5), abs=0.003)


def test_equal_scores_and_halves_without_members_are_guessed():
    member = np.array([[True, False] * 10])
    assert cross_fitted(np.zeros((1, 20)), member) == 0.5
    single = np.arange(20)[None] == 3
    assert cross_fitted(single.astype(float), single) == 0.5

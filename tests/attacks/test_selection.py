"""Thresholds that a shadow selects, against a loop over every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.attacks.membership import Threshold
from jaxattack.attacks.membership.selection import class_thresholds, record_thresholds, select_threshold
from jaxattack.types import InputError


def naive(score, member, alpha):
    """The lowest score with few enough false positives, or the highest with the best balanced accuracy."""
    rates = {v: ((score[member] >= v).mean(), (score[~member] >= v).mean()) for v in np.unique(score)}
    if alpha is None:
        best = max(tpr - fpr for tpr, fpr in rates.values())
        return max(v for v, (tpr, fpr) in rates.items() if tpr - fpr == best)
    return min((v for v, (_, fpr) in rates.items() if fpr <= alpha), default=np.nextafter(score.max(), np.inf))


@given(seed=st.integers(0, 2**20), alpha=st.sampled_from([None, 0.0, 0.1, 0.25, 1.0]))
def test_a_threshold_is_the_one_that_a_loop_finds(seed, alpha):
    rng = np.random.default_rng(seed)
    score, member = rng.integers(0, 9, 20).astype(float), np.arange(20) < rng.integers(1, 20)
    threshold = select_threshold(score, member, alpha)
    assert threshold == naive(score, member, alpha)
    assert np.isfinite(threshold)
    if alpha is not None:
        assert (score[~member] >= threshold).mean() <= alpha


def test_each_class_has_its_own_at_a_rate_too_and_one_without_a_side_that_of_all():
    rng = np.random.default_rng(1)
    score, member, label = rng.normal(size=90), rng.random(90) < 0.5, rng.integers(0, 3, 90)
    member[label == 2] = True
    told = np.ones(90, bool)
    selected = class_thresholds(score, member, label, told, 0.2)
    own = [naive(score[label == cls], member[label == cls], 0.2) for cls in range(2)]
    assert selected.tolist() == [*own, naive(score, member, 0.2)]
    every = record_thresholds(score, member, label, told, alpha=0.2, classwise=False)
    assert set(every) == {naive(score, member, 0.2)}


@pytest.mark.parametrize("classwise", [False, True])
def test_an_attack_with_a_rate_decides_at_zero_by_its_shadow(classwise):
    observations = observe(complementary(6, 400, seed=1), leak=3.0, seed=2)
    plain = Threshold(quantity="loss")(observations)
    attack = Threshold(quantity="loss", classwise=classwise, alpha=0.1)
    assert attack.references
    scores = attack(observations)
    for t in range(6):
        u, told = (t + 2) % 6, np.ones(400, bool)
        thresholds = record_thresholds(
            plain[u], observations.member[u], observations.label, told, alpha=0.1, classwise=classwise
        )
        np.testing.assert_array_equal(scores[t], plain[t] - thresholds)
        # Four standard errors of a rate among 200, twice: the shadow's and the target's.
        assert (scores[t, ~observations.member[t]] >= 0).mean() == pytest.approx(0.1, abs=0.085 * 1.5)


def test_a_rate_is_between_nothing_and_one():
    for rate in (-0.1, 1.5):
        with pytest.raises(InputError, match=f"alpha is {rate}: give a false-positive rate"):
            Threshold(quantity="loss", alpha=rate)
    with pytest.raises(InputError, match="loss has no references"):
        Threshold(quantity="loss", protocol="leave-one-out")

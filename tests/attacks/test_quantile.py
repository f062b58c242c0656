"""Quantile regression where the distribution of a non-member's score is known, and on sweeps that leak and that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from jaxattack.attacks.membership import QuantileRegression
from jaxattack.data import Halves
from jaxattack.metrics import auc, roc_curve
from jaxattack.types import InputError, Observations

RECORDS, MODELS = 600, 2
RNG = np.random.default_rng(0)
X = RNG.normal(size=(RECORDS, 3)).astype(np.float32)
SLOPE = np.array([2.0, -1.0, 0.5])
MEMBER = Halves()(MODELS, RECORDS, 0)


def sweep(leak: float) -> Observations:
    """Scores that a record's features set, but for a deviation of a half, and a leak."""
    hinge = 3 + X @ SLOPE + 0.5 * RNG.normal(size=(MODELS, RECORDS)) + leak * MEMBER
    label = np.arange(RECORDS) % 2
    return Observations(signals={"hinge": hinge[:, :, None].astype(np.float32)}, member=MEMBER, label=label)


LEAKY = sweep(1.0)
ATTACK = QuantileRegression(hidden=(16,), learning_rate=0.01, decay=0.0, epochs=30)


def area(scores: np.ndarray) -> float:
    return auc(roc_curve(scores.ravel(), MEMBER.ravel()))


def test_a_normal_scores_mean_and_deviation_are_learnt_and_its_quantiles_hold_on_fresh_records():
    x = np.random.default_rng(1).normal(size=(6000, 1)).astype(np.float32)
    noise = np.random.default_rng(2).normal(size=6000)
    value = 1 + 2 * x[:, 0] + np.exp(0.5 * x[:, 0]) * noise
    known = np.arange(6000) < 2000
    score = replace(ATTACK, learning_rate=0.003, epochs=60, batch=100).score(x, value, known)
    usual = ~known & (np.abs(x[:, 0]) < 1.5)  # where there was something to learn from
    assert np.abs(score - noise)[usual].mean() < 0.12
    for alpha in (0.3, 0.1, 0.03):
        share = (score[usual] > norm.isf(alpha)).mean()
        assert share == pytest.approx(alpha, abs=0.1 * alpha + 4 * np.sqrt(alpha / usual.sum()))


def test_it_finds_what_the_records_difficulty_hides():
    scores = ATTACK(LEAKY, X)
    # Of two normals a leak of 1 apart with a deviation of .5: Phi(1 / (.5 sqrt 2)) = .92 with all known.
    assert area(scores) > 0.85
    assert area(LEAKY.signal("hinge")[:, :, 0]) < 0.65


def test_without_a_leak_members_are_not_told():
    assert area(ATTACK(sweep(0.0), X)) == pytest.approx(0.5, abs=4 / np.sqrt(3 * MODELS * RECORDS))


def test_no_records_score_knows_its_own_membership_and_a_row_is_that_of_all_targets():
    before = ATTACK(LEAKY, X, [1])
    np.testing.assert_array_equal(before, ATTACK(LEAKY, X)[[1]])
    record = int(np.flatnonzero(~MEMBER[1])[0])
    member = MEMBER.copy()
    member[1, record] = True
    after = ATTACK(Observations(signals=LEAKY.signals, member=member, label=LEAKY.label), X, [1])
    assert after[0, record] == before[0, record]
    assert 0 < (after != before).sum() <= RECORDS // 2


def test_the_seed_sets_the_halves_and_the_draws():
    first, again = ATTACK(LEAKY, X, [0]), ATTACK(LEAKY, X, [0])
    np.testing.assert_array_equal(first, again)
    other = replace(ATTACK, seed=1)(LEAKY, X, [0])
    assert (other != first).any()


def test_other_records_and_too_few_non_members_are_refused():
    with pytest.raises(InputError, match="x holds 10 records and 600 were observed"):
        ATTACK(LEAKY, X[:10])
    everyone = Observations(signals=LEAKY.signals, member=np.ones_like(MEMBER), label=LEAKY.label)
    with pytest.raises(InputError, match="0 records are known to be no members of the target: give at least 10"):
        ATTACK(everyone, X)
    with pytest.raises(InputError, match="epochs is 0"):
        QuantileRegression(epochs=0)

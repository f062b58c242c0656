"""The coin that falls by the loss: its advantage is the gap of the mean losses over the bound, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe

from jaxattack.attacks.membership import BoundedLoss, Threshold
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.metrics import advantage, roc_curve
from jaxattack.types import InputError, Observations

OBSERVATIONS = observe(complementary(6, 300, seed=0), leak=2.0)
LOSS = np.logaddexp(0, -OBSERVATIONS.signals["phi"][:, :, 0].astype(np.float64))
MEMBER = OBSERVATIONS.member


def gap(values, member):
    return values[~member].mean() - values[member].mean()


def test_the_advantage_is_the_gap_over_the_bound():
    bound = LOSS.max() + 1
    attack = BoundedLoss(bound=bound)
    assert not attack.references
    for score, loss, member in zip(attack(OBSERVATIONS), LOSS, MEMBER, strict=True):
        expected = gap(loss, member) / bound
        assert score[member].mean() - score[~member].mean() == pytest.approx(expected, rel=1e-9)
        assert expected <= advantage(roc_curve(score, member))
    # Tossed, it has that advantage too: within four standard errors.
    heads = np.random.default_rng(0).random((4000, *MEMBER[0].shape)) < attack(OBSERVATIONS, [0])[0]
    tossed = heads[:, MEMBER[0]].mean() - heads[:, ~MEMBER[0]].mean()
    assert tossed == pytest.approx(gap(LOSS[0], MEMBER[0]) / bound, abs=4 * np.sqrt(0.5 / (4000 * 150)))


def test_losses_beyond_the_bound_count_as_it():
    score = BoundedLoss(bound=1.0)(OBSERVATIONS, [2])[0]
    np.testing.assert_allclose(score, 1 - np.minimum(LOSS[2], 1.0), rtol=1e-12)
    assert (score == 0).any()


def test_a_shadow_says_the_bound_where_none_is_given():
    attack = BoundedLoss(protocol="leave-one-out")  # the shadow is model t + 2, and all of its records are read
    assert attack.references
    for target, score in enumerate(attack(OBSERVATIONS)):
        np.testing.assert_array_equal(score, BoundedLoss(bound=LOSS[(target + 2) % 6].max())(OBSERVATIONS, [target])[0])
        order = np.argsort(Threshold(quantity="loss")(OBSERVATIONS, [target])[0])
        assert (np.diff(score[order]) >= 0).all()


def test_a_bound_of_nothing_and_references_that_are_not_needed_are_refused():
    with pytest.raises(InputError, match="bound is 0"):
        BoundedLoss(bound=0.0)
    with pytest.raises(InputError, match="a bound needs no references"):
        BoundedLoss(bound=1.0, protocol="leave-one-out")


def test_a_shadow_of_which_no_record_may_be_read_says_no_bound():
    member = np.array([[False], [True], [False], [True], [False]])
    phi = np.arange(5.0)[:, None, None]
    one = Observations(signals={"phi": phi}, member=member, label=np.zeros(1, int))
    with pytest.raises(TooFewReferences, match="the shadow model has no record whose membership is known"):
        BoundedLoss()(one)

"""Two Gaussians of the loss against their densities, written out."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe
from scipy.stats import norm

from jaxattack.attacks.membership import GaussianLoss, Threshold
from jaxattack.metrics import balanced_accuracy, roc_curve
from jaxattack.types import InputError, Observations

OBSERVATIONS = observe(complementary(8, 300, seed=0), leak=4.0)


def deviations(shadow, formula):
    """Of the losses of a shadow, inside and outside."""
    losses = np.log1p(np.exp(-OBSERVATIONS.signals["phi"][shadow, :, 0].astype(np.float64)))
    sides = (losses[OBSERVATIONS.member[shadow]], losses[~OBSERVATIONS.member[shadow]])
    return [side.mean() if formula == "reference_code" else np.sqrt((side**2).mean()) for side in sides]


@pytest.mark.parametrize("formula", ["paper", "reference_code"])
def test_scores_are_the_log_ratio_of_two_normal_densities(formula):
    # By leave-one-out the shadow is model t + 2, and all of its records are read.
    scores = GaussianLoss(formula=formula, protocol="leave-one-out")(OBSERVATIONS)
    for target in range(8):
        inside, outside = deviations((target + 2) % 8, formula)
        loss = np.log1p(np.exp(-OBSERVATIONS.signals["phi"][target, :, 0].astype(np.float64)))
        expected = norm.logpdf(loss, 0, inside) - norm.logpdf(loss, 0, outside)
        np.testing.assert_allclose(scores[target], expected, rtol=1e-9)


def test_a_target_is_ordered_as_by_its_loss_and_zero_is_a_threshold():
    scores, losses = GaussianLoss()(OBSERVATIONS), Threshold(quantity="loss")(OBSERVATIONS)
    for row, loss, member in zip(scores, losses, OBSERVATIONS.member, strict=True):
        assert (np.diff(row[np.argsort(loss)]) >= 0).all()
        share = ((row > 0) == member).mean()
        assert 0.6 < share <= balanced_accuracy(roc_curve(row, member)) + 1e-12  # half of the records are members


def test_losses_that_are_all_nothing_have_finite_scores():
    phi = np.full((4, 20, 1), 1000, np.float32)
    sure = Observations(signals={"phi": phi}, member=complementary(4, 20, seed=0), label=np.zeros(20, int))
    np.testing.assert_array_equal(GaussianLoss()(sure), 0.0)


def test_a_shadow_without_one_of_the_sides_is_refused():
    member = np.ones((4, 20), bool)
    member[0, :10] = False
    phi = np.zeros((4, 20, 1), np.float32)
    with pytest.raises(InputError, match=r"loss-gaussian: the shadow model has \d+ members among \d+ records"):
        GaussianLoss(protocol="leave-one-out")(
            Observations(signals={"phi": phi}, member=member, label=np.zeros(20, int)), [0]
        )

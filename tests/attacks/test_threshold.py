"""Threshold attacks against their definitions and loops over every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.planted import complementary, observe
from scipy.special import expit

from jaxattack.attacks.membership import Gap, Threshold
from jaxattack.attacks.membership.selection import class_thresholds
from jaxattack.metrics import balanced_accuracy, roc_curve
from jaxattack.types import InputError


def test_global_scores_are_the_signals_turned_so_that_members_are_higher():
    observations = observe(complementary(4, 50, seed=0), leak=1.0)
    phi = observations.signals["phi"][:, :, 0].astype(np.float64)
    np.testing.assert_allclose(Threshold(quantity="loss")(observations), np.log(expit(phi)), rtol=1e-9)
    np.testing.assert_allclose(Threshold(quantity="confidence")(observations), expit(phi))
    for quantity, signal in (("entropy", "entropy"), ("modified-entropy", "modified_entropy")):
        np.testing.assert_array_equal(
            Threshold(quantity=quantity)(observations), -observations.signals[signal][:, :, 0]
        )


def test_class_thresholds_have_the_best_balanced_accuracy_of_all():
    rng = np.random.default_rng(0)
    score, member, label = rng.integers(0, 9, 200).astype(float), rng.random(200) < 0.4, rng.integers(0, 5, 200)
    told = rng.random(200) < 0.8
    for cls, threshold in enumerate(class_thresholds(score, member, label, told)):
        x, truth = score[told & (label == cls)], member[told & (label == cls)]
        accuracy = {v: (x[truth] >= v).mean() - (x[~truth] >= v).mean() for v in np.unique(x)}
        assert threshold == max(v for v in accuracy if accuracy[v] >= max(accuracy.values()) - 1e-12)


def test_a_class_of_members_only_takes_the_threshold_of_all_records():
    score, member = np.array([3.0, 2.0, 1.0, 0.0, 5.0]), np.array([True, True, False, False, True])
    label = np.array([0, 0, 0, 0, 1])
    assert class_thresholds(score, member, label, np.ones(5, bool)).tolist() == [2.0, 2.0]
    # So does one that has no records left.
    assert class_thresholds(score, member, label, np.array([False, True, True, True, False])).tolist() == [2.0, 2.0]


def test_class_wise_scores_subtract_the_shadows_thresholds():
    observations = observe(complementary(6, 80, seed=1), leak=1.0, seed=2)
    plain = Threshold(quantity="loss")(observations)
    scores = Threshold(quantity="loss", classwise=True)(observations)
    for t in range(6):
        u = (t + 2) % 6
        thresholds = class_thresholds(plain[u], observations.member[u], observations.label, np.ones(80, bool))
        np.testing.assert_array_equal(scores[t], plain[t] - thresholds[observations.label])


def test_the_gap_attack_has_exactly_the_accuracy_of_the_generalisation_gap():
    observations = observe(complementary(4, 500, seed=0), leak=1.5)
    right, member = observations.signals["correct"][0, :, 0], observations.member[0]
    gap = right[member].mean() - right[~member].mean()
    accuracy = balanced_accuracy(roc_curve(Gap()(observations, [0])[0], member))
    assert accuracy == pytest.approx(0.5 + gap / 2, abs=1e-6)


def test_an_unknown_quantity_is_refused():
    with pytest.raises(InputError, match="loss, confidence"):
        Threshold(quantity="margin")

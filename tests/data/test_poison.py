"""Copies with a wrong label: what they are of, what they say, and what they leave as it was."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.data import load
from jaxattack.data.poison import choose_targets, relabel_copies
from jaxattack.types import InputError

DIGITS = load("digits")


def test_copies_follow_the_records_with_one_wrong_label_a_target():
    targets = np.array([7, 3])
    poisoned = relabel_copies(DIGITS, targets, 4, seed=0)
    assert len(poisoned.records) == len(DIGITS) + 8
    np.testing.assert_array_equal(poisoned.targets, [3, 7])
    np.testing.assert_array_equal(poisoned.records.x[: len(DIGITS)], DIGITS.x)
    np.testing.assert_array_equal(poisoned.records.y[: len(DIGITS)], DIGITS.y)
    np.testing.assert_array_equal(poisoned.records.x[poisoned.background], DIGITS.x[[3, 7] * 4])
    labels = poisoned.records.y[poisoned.background].reshape(4, 2)
    assert (labels == labels[0]).all()
    assert (labels[0] != DIGITS.y[[3, 7]]).all()


def test_a_target_has_the_same_wrong_label_whatever_the_copies_and_the_other_targets():
    one = relabel_copies(DIGITS, np.array([5]), 1, seed=3).records.y[-1]
    many = relabel_copies(DIGITS, np.array([2, 5, 9]), 8, seed=3).records.y[len(DIGITS) :].reshape(8, 3)
    assert (many[:, 1] == one).all()


def test_every_other_class_is_as_likely():
    y = relabel_copies(DIGITS, np.arange(len(DIGITS)), 1, seed=0).records.y
    shift = (y[len(DIGITS) :] - DIGITS.y) % 10
    count = np.bincount(shift, minlength=10)
    assert count[0] == 0
    assert (abs(count[1:] - len(DIGITS) / 9) < 4 * np.sqrt(len(DIGITS) / 9)).all()


def test_no_copies_leave_the_records_as_they_are():
    poisoned = relabel_copies(DIGITS, np.array([1]), 0, seed=0)
    assert not poisoned.background.any()
    assert len(poisoned.records) == len(DIGITS)


def test_targets_are_drawn_once_each():
    targets = choose_targets(DIGITS, 100, seed=1)
    assert len(np.unique(targets)) == 100
    assert (np.diff(targets) > 0).all()
    assert not np.array_equal(targets, choose_targets(DIGITS, 100, seed=2))


@pytest.mark.parametrize(
    ("targets", "copies", "message"),
    [
        (np.array([0]), -1, "copies is -1"),
        (np.array([0.5]), 1, "whole numbers"),
        (np.array([], int), 1, "whole numbers"),
        (np.array([0, 0]), 1, "once"),
        (np.array([-1]), 1, "once"),
        (np.array([len(DIGITS)]), 1, "once"),
    ],
)
def test_what_is_no_poison_is_refused(targets, copies, message):
    with pytest.raises(InputError, match=message):
        relabel_copies(DIGITS, targets, copies, seed=0)


@pytest.mark.parametrize("count", [0, 2000])
def test_too_few_or_too_many_targets_are_refused(count):
    with pytest.raises(InputError, match=f"targets is {count}"):
        choose_targets(DIGITS, count, seed=0)

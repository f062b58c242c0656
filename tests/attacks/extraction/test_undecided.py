"""Inputs that a victim answers with one number for all classes verify no labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_wine
from sklearn.gaussian_process import GaussianProcessClassifier

import jaxattack as ja
from jaxattack.attacks.extraction.verification import Allowance, verified
from jaxattack.oracle import from_estimator, from_function, rounded
from jaxattack.types import Access, Answer, Draft, Inputs, Verification

BOX = Inputs.box(-1, 1, (2,))
DIRECTION = np.array([1.0, -0.5])


def _victim(slope):
    """Two classes on both sides of a line; of three decimals."""
    access = Access(level="probability", classes=2, inputs=BOX)
    return rounded(from_function(lambda x: softmax(slope * (x @ DIRECTION)[:, None] * [1, -1], axis=1), access), 3)


def _compared(victim, direction):
    draft = Draft(stolen=None, answer=lambda x: Answer((x @ direction < 0).astype(np.int64)), exact=False)
    return verified(draft, victim, Allowance(victim), Verification(), seed=3)


def test_labels_within_one_number_verify_nothing():
    stolen = _compared(_victim(1e-4), [-1.0, 0.5])  # .500 and .500 everywhere, and each label the other one
    assert not stolen.complete
    assert "one number for all classes" in stolen.reason
    assert stolen.verdict.trials == 0


@pytest.mark.parametrize("slope", [3.0, 100.0])
def test_labels_beside_ties_are_verified_on_the_others(slope):
    stolen = _compared(_victim(slope), DIRECTION)
    assert stolen.complete
    assert 100 <= stolen.verdict.trials < 500
    assert not _compared(_victim(slope), [1.0, -0.4]).complete


def test_a_process_that_knows_its_own_records_alone_is_not_stolen_by_a_substitute():
    x, y = (np.asarray(part) for part in load_wine(return_X_y=True))
    order = np.random.default_rng(0).permutation(len(x))
    inputs = Inputs(low=x.min(axis=0), high=x.max(axis=0), categories=np.zeros(13, int), names=())
    victim = rounded(
        from_estimator(GaussianProcessClassifier(random_state=0).fit(x[order[:89]], y[order[:89]]), inputs=inputs), 3
    )
    attack = ja.attacks.extraction.lookup("adaptive-retraining?budget=600&rounds=2")
    stolen = attack(ja.oracle.budgeted(victim, 4000), pool=x[order[89:133]])
    unseen = x[order[133:]]
    assert np.mean(stolen.answer(unseen).label == victim(unseen).label) < 0.97
    assert not stolen.complete

"""Checkpoints of one training are what shorter trainings would have been."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.data import Halves, random_labels
from jaxattack.models import build
from jaxattack.training import Placement, Recipe, Sweep, observe_checkpoints, train_ensemble
from jaxattack.training.learners import SELENA, RelaxLoss, Standard
from jaxattack.types import InputError

DATA = random_labels(records=30, features=5, classes=3)
MEMBER = Halves()(3, len(DATA), 0)
MODEL = build("mlp:6", DATA.shape, DATA.classes)
PLACEMENT = Placement(chunk=3, vmap=1)


def learner(epochs):
    return Standard(recipe=Recipe(epochs=epochs, batch=4, ema=0.5), loss=RelaxLoss())


@pytest.fixture(scope="module")
def checkpoints():
    sweep = Sweep(model=MODEL, recipe=learner(4), signals=("loss",), seed=3)
    return observe_checkpoints(sweep, DATA, MEMBER, (1, 3))


def test_a_checkpoint_is_a_training_that_ends_there_bit_for_bit(checkpoints):
    _, alone = train_ensemble(MODEL, learner(3), DATA, MEMBER, signals=("loss",), seed=3, placement=PLACEMENT)
    assert {*checkpoints[1].signals} == {"phi", "correct", "loss"}
    for name in alone.signals:
        np.testing.assert_array_equal(checkpoints[1].signal(name), alone.signal(name))


@pytest.mark.parametrize("epochs", [(), (2, 2), (3, 1), (0, 1), (5,)])
def test_passes_that_there_are_not_are_refused(epochs):
    with pytest.raises(InputError, match="ascending numbers of passes, from 1 to 4"):
        observe_checkpoints(Sweep(model=MODEL, recipe=learner(4)), DATA, MEMBER, epochs)


def test_a_learner_without_passes_is_refused():
    with pytest.raises(InputError, match="SELENA has no passes"):
        observe_checkpoints(Sweep(model=MODEL, recipe=SELENA()), DATA, MEMBER, (1,))

"""Models that were kept, asked again."""

from __future__ import annotations

import jax
import numpy as np

from jaxattack.data import Halves, random_labels
from jaxattack.models import build
from jaxattack.signals import NoiseRobustness
from jaxattack.training import Queries, Recipe, train_ensemble
from jaxattack.training.afterwards import ask_afterwards
from jaxattack.training.learners import Standard
from jaxattack.training.program import Work

DATA, MEMBER = random_labels(records=12, features=5, classes=3), Halves()(2, 12, 0)
RECIPE = Recipe(epochs=1, batch=4)
NOISY = NoiseRobustness(copies=9, sigma=2.0)
WORK = Work(build("mlp:4", (5,), 3), Standard(recipe=RECIPE), Queries(), (NOISY,), 6, 3)


def test_models_are_asked_in_the_precision_that_is_set_and_not_in_that_of_the_first_time():
    variables = train_ensemble(WORK.model, RECIPE, DATA, MEMBER)[0].variables

    def ask():
        return ask_afterwards(WORK, 0, DATA, np.arange(2), MEMBER, variables)[NOISY.name]

    single = ask()
    with jax.numpy_dtype_promotion("standard"), jax.enable_x64(True):
        double = ask()
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(ask(), single)

"""Pruning: which weights are taken out, and that they stay out."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.models import build
from jaxattack.training import Recipe
from jaxattack.training.learners import Pruning, Standard
from jaxattack.types import InputError, Membership

RNG = np.random.default_rng(9)
X = jnp.asarray(RNG.standard_normal((24, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
KEY, MODEL = jax.random.key(7), build("mlp:6", (5,), 3)
MEMBER = Membership(jnp.arange(0, 24, 2, dtype=jnp.int32), jnp.ones(12))
RECIPE = Recipe(epochs=4, batch=4, learning_rate=0.05)


def learnt(learner):
    return jax.tree.map(np.asarray, jax.jit(partial(learner, MODEL))(X, Y, MEMBER, KEY).params)


@pytest.fixture(scope="module")
def whole():
    return learnt(Standard(recipe=RECIPE))


def test_nothing_taken_out_and_nothing_tuned_is_standard_training_bit_for_bit(whole):
    jax.tree.map(np.testing.assert_array_equal, learnt(Pruning(recipe=RECIPE, share=0.0, epochs=0)), whole)


def test_the_smallest_weights_of_all_layers_together_are_taken_out(whole):
    pruned = learnt(Pruning(recipe=RECIPE, share=0.5, epochs=0))
    weights = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(whole) if leaf.ndim > 1])
    least = np.sort(np.abs(weights))[-24]  # half of 5 * 6 + 6 * 3 stay
    for before, after in zip(jax.tree.leaves(whole), jax.tree.leaves(pruned), strict=True):
        expected = before if before.ndim == 1 else np.where(np.abs(before) >= least, before, 0)
        np.testing.assert_array_equal(after, expected)


def test_tuning_moves_what_is_left_and_leaves_the_rest_at_0(whole):
    learner = Pruning(recipe=RECIPE, share=0.5, epochs=3)
    pruned, tuned = learnt(Pruning(recipe=RECIPE, share=0.5, epochs=0)), learnt(learner)
    for before, after in zip(jax.tree.leaves(pruned), jax.tree.leaves(tuned), strict=True):
        if before.ndim > 1:
            np.testing.assert_array_equal(after == 0, before == 0)
        assert (np.abs(after - before)[before != 0] > 0).mean() > 0.5  # but for units that are silent
    assert learner.steps(12) == 4 * 3 + 3 * 3


def test_values_out_of_range_are_refused():
    with pytest.raises(InputError, match="share is 1.0: give the share of the weights that is taken out"):
        Pruning(share=1.0)
    with pytest.raises(InputError, match="epochs is -1"):
        Pruning(epochs=-1)

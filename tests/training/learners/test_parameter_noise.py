from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.models import build
from jaxattack.training import Recipe
from jaxattack.training.learners import ParameterNoise, Standard
from jaxattack.types import InputError, Membership

RNG = np.random.default_rng(9)
X = jnp.asarray(RNG.standard_normal((24, 40)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
KEY, MODEL = jax.random.key(7), build("mlp:40", (40,), 3)
MEMBER = Membership(jnp.arange(0, 24, 2, dtype=jnp.int32), jnp.ones(12))
RECIPE = Recipe(epochs=1, batch=4, learning_rate=0.05)


def learnt(learner):
    params = jax.jit(partial(learner, MODEL))(X, Y, MEMBER, KEY).params
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(params)])


def test_noise_of_no_scale_is_standard_training_and_other_noise_has_its_scale():
    whole = learnt(Standard(recipe=RECIPE))
    np.testing.assert_array_equal(learnt(ParameterNoise(recipe=RECIPE, scale=0.0)), whole)
    noise = learnt(ParameterNoise(recipe=RECIPE, scale=0.3)) - whole
    assert len(noise) == 40 * 40 + 40 + 40 * 3 + 3
    assert noise.std() == pytest.approx(0.3, rel=4 / np.sqrt(2 * len(noise)))
    assert abs(noise.mean()) < 4 * 0.3 / np.sqrt(len(noise))


def test_a_scale_out_of_range_is_refused():
    with pytest.raises(InputError, match="scale is -1.0: give the standard deviation"):
        ParameterNoise(scale=-1.0)

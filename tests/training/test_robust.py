"""The adversary of adversarial training beside closed forms, and what tells catastrophic overfitting."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.models import build
from jaxattack.training import Recipe
from jaxattack.training.learners import AdversarialTraining, Standard
from jaxattack.training.robust import Ascent, Box, Resistance, ascend, box_of, resistance
from jaxattack.types import InputError, Membership, Model, Variables

RNG = np.random.default_rng(5)
X = jnp.asarray(RNG.uniform(-1, 1, (40, 3)), jnp.float32)
WEIGHT = jnp.asarray([[1.0, -2.0, 0.5]])
Y = (X @ WEIGHT.T > 0).astype(jnp.int32)[:, 0]
BOX = Box(-2 * jnp.ones((1, 3)), 2 * jnp.ones((1, 3)))
LINEAR = Model(
    lambda key: Variables((), ()),
    lambda variables, x: jnp.concatenate([jnp.zeros((len(x), 1)), x @ WEIGHT.T], axis=1),
    lambda variables, x, key: (LINEAR.apply(variables, x), ()),
)
NOTHING = Variables((), ())
KEY, NETWORK = jax.random.key(7), build("mlp:6", (3,), 2)
MEMBER = Membership(jnp.arange(0, 40, 2, dtype=jnp.int32), jnp.ones(20))
RECIPE = Recipe(epochs=3, batch=5, learning_rate=0.05)


@pytest.mark.parametrize(("steps", "rate", "key"), [(1, 0.1, None), (1, 0.25, KEY), (8, 0.05, KEY)])
def test_on_a_linear_model_the_adversary_goes_to_the_corner_of_the_ball(steps, rate, key):
    moved = jax.jit(partial(ascend, LINEAR, NOTHING, Ascent(0.1, steps, rate), BOX))(X, Y, key)
    corner = X + 0.1 * 4 * jnp.where(Y == 1, -1, 1)[:, None] * jnp.sign(WEIGHT)
    np.testing.assert_allclose(moved, jnp.clip(corner, -2, 2), atol=1e-6)


def test_its_linear_accuracy_is_the_share_of_margins_beyond_the_ball():
    x = np.asarray(X)
    span = np.ptp(x, axis=0)
    for size in (0.02, 0.2):
        accuracy = resistance(LINEAR, NOTHING, x, np.asarray(Y), size=size)
        margin = np.abs(x @ np.asarray(WEIGHT)[0])
        low, high = x.min(axis=0), x.max(axis=0)
        sign = np.where(np.asarray(Y) == 1, -1, 1)[:, None] * np.sign(np.asarray(WEIGHT))
        corner = np.clip(x + size * span * sign, low, high)
        expected = float(((corner @ np.asarray(WEIGHT)[0] > 0) == np.asarray(Y)).mean())
        assert accuracy == pytest.approx((1.0, expected, expected))
        assert margin.min() < 0.5  # some are within reach
        assert not accuracy.collapsed


def test_bytes_range_from_minus_1_to_1_whichever_there_are():
    box = box_of(jnp.zeros((2, 4, 4, 1), jnp.uint8))
    assert (float(box.low[0, 0, 0, 0]), float(box.high[0, 0, 0, 0])) == (-1.0, 1.0)


def learnt(learner):
    return jax.tree.map(np.asarray, jax.jit(partial(learner, NETWORK))(X, Y, MEMBER, KEY).params)


def test_no_ball_is_standard_training_bit_for_bit():
    jax.tree.map(
        np.testing.assert_array_equal,
        learnt(AdversarialTraining(recipe=RECIPE, size=0.0)),
        learnt(Standard(recipe=RECIPE)),
    )


def test_its_steps_are_those_of_both():
    assert AdversarialTraining(recipe=RECIPE).steps(20) == 8 * RECIPE.steps(20)
    assert AdversarialTraining(recipe=RECIPE, size=0.0).steps(20) == RECIPE.steps(20)
    assert AdversarialTraining(size=0.1, attack_steps=1).ascent == (0.1, 1, pytest.approx(0.125))
    assert AdversarialTraining(size=0.1).ascent == (0.1, 7, pytest.approx(0.025))


def test_a_model_that_only_one_step_cannot_fool_has_collapsed():
    # The first step's gradient points nowhere useful: the label flips within the ball, between the record and its corner.
    def apply(variables, x):
        z = jnp.cos(2 * jnp.pi * 2.5 * x[:, :1]) + 0.1 * x[:, :1]
        return jnp.concatenate([jnp.zeros_like(z), z], axis=1)

    masked = Model(LINEAR.init, apply, LINEAR.forward)
    x = np.concatenate([np.linspace(0.02, 0.05, 20), [-1, 1]])[:, None].astype(np.float32)
    y = np.asarray(apply((), x).argmax(axis=1))
    found = resistance(masked, NOTHING, x, y, size=0.2)
    assert found.clean == 1.0
    assert found.collapsed
    assert "catastrophic overfitting" in found.sentence
    assert Resistance(0.9, 0.5, 0.45).sentence == ""


@pytest.mark.parametrize(
    ("accuracy", "collapsed"),
    [
        (Resistance(0.95, 0.038, 0.012), False),  # trained on clean records, attacked with .2: it stands up to nothing
        (Resistance(0.94, 0.23, 0.088), False),
        (Resistance(0.94, 0.186, 0.036), False),  # trained by seven steps of .2, attacked with .3
        (Resistance(0.9, 0.369, 0.02), True),  # trained by single steps of .3
        (Resistance(0.91, 0.334, 0.025), True),
        (Resistance(0.9, 0.0, 0.0), False),
    ],
)
def test_a_model_that_stands_up_to_nothing_has_overfitted_to_nothing(accuracy, collapsed):
    assert accuracy.collapsed == collapsed
    assert bool(accuracy.sentence) == collapsed


def test_values_out_of_range_are_refused():
    for fields, message in (
        ({"size": 1.5}, "size is 1.5"),
        ({"attack_steps": 0}, "attack_steps"),
        ({"rate": 0.0}, "rate"),
    ):
        with pytest.raises(InputError, match=message):
            AdversarialTraining(**fields)

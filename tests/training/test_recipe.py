from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxattack.training.recipe import Recipe, learning_rate, optimizer
from jaxattack.types import InputError

PARAMS = {"kernel": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.array([0.3, -0.7])}
GRADIENT = {"kernel": jnp.array([[0.2, -0.1], [0.4, 1.0]]), "bias": jnp.array([-0.5, 0.25])}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch", 0),
        ("crop", -1),
        ("cutout", -2),
        ("weight_decay", -1e-4),
        ("weight_decay", float("inf")),
        ("momentum", 1.0),
        ("warmup", 1.0),
        ("label_smoothing", -0.1),
        ("ema", 1.0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("optimizer", "lion"),
        ("schedule", "step"),
        ("precision", "float16"),
    ],
)
def test_a_value_out_of_range_is_refused_by_field_and_value(field, value):
    with pytest.raises(InputError) as caught:
        Recipe(**{field: value})
    assert str(caught.value).startswith(f"{field} is {value!r}: give ")
    assert str(caught.value).endswith(".")


def test_recipes_are_values():
    assert hash(Recipe(epochs=3)) == hash(Recipe(epochs=3))
    assert Recipe(epochs=3) == Recipe(epochs=3) != Recipe(epochs=4)


def test_steps_leave_out_a_short_batch_and_take_one_of_few_members():
    assert Recipe(epochs=3, batch=10).steps(25) == 6
    assert Recipe(epochs=3, batch=10).steps(30) == 9
    assert Recipe(epochs=3, batch=10).steps(7) == 3


def test_what_augments():
    assert not Recipe().augments
    assert all(Recipe(**change).augments for change in ({"flip": True}, {"crop": 1}, {"cutout": 1}))


CLOSED = {
    "constant": lambda t: np.ones_like(t),
    "cosine": lambda t: (1 + np.cos(np.pi * t)) / 2,
    "linear": lambda t: 1 - t,
    "fixmatch": lambda t: np.cos(7 * np.pi * t / 16),
}


@pytest.mark.parametrize("schedule", CLOSED)
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_a_schedule_equals_its_closed_form(schedule, warmup):
    steps, peak = 40, 0.3
    rate = learning_rate(Recipe(schedule=schedule, warmup=warmup, learning_rate=peak), steps)
    found = np.array([rate(step) for step in range(steps)])
    rise = round(warmup * steps)
    after = CLOSED[schedule](np.arange(steps - rise) / (steps - rise))
    np.testing.assert_allclose(found, peak * np.concatenate([np.arange(rise) / max(rise, 1), after]), atol=1e-6)


def one_step(recipe, steps=1):
    change = optimizer(recipe, 10)
    params, state = PARAMS, change.init(PARAMS)
    for _ in range(steps):
        updates, state = change.update(GRADIENT, state, params)
        params = optax.apply_updates(params, updates)
    return params


def assert_close(found, expected):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), found, expected)


def test_two_steps_of_adam_equal_a_hand_written_one():
    m = v = 0.0
    p, g = np.asarray(PARAMS["kernel"], np.float64), np.asarray(GRADIENT["kernel"], np.float64)
    for t in (1, 2):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p = p - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(one_step(Recipe(learning_rate=0.01), 2)["kernel"], p, rtol=1e-5)


def test_three_steps_of_nesterov_momentum_equal_hand_written_ones():
    trace, p, g = 0.0, np.asarray(PARAMS["kernel"], np.float64), np.asarray(GRADIENT["kernel"], np.float64)
    for _ in range(3):
        trace = g + 0.8 * trace
        p = p - 0.1 * (g + 0.8 * trace)
    found = one_step(Recipe(optimizer="sgd", momentum=0.8, learning_rate=0.1), 3)
    np.testing.assert_allclose(found["kernel"], p, rtol=1e-5)


def test_sgd_without_momentum_is_plain():
    found = one_step(Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.1))
    assert_close(found, jax.tree.map(lambda p, g: p - 0.1 * g, PARAMS, GRADIENT))


def test_weight_decay_of_sgd_is_added_to_the_gradient_of_weights_alone():
    found = one_step(Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.1, weight_decay=0.5))
    np.testing.assert_allclose(found["kernel"], PARAMS["kernel"] - 0.1 * (GRADIENT["kernel"] + 0.5 * PARAMS["kernel"]))
    np.testing.assert_allclose(found["bias"], PARAMS["bias"] - 0.1 * GRADIENT["bias"], rtol=1e-6)


def test_weight_decay_of_adamw_is_decoupled():
    plain = one_step(Recipe(optimizer="adam", learning_rate=0.01))
    found = one_step(Recipe(optimizer="adamw", learning_rate=0.01, weight_decay=0.5))
    np.testing.assert_allclose(found["kernel"], plain["kernel"] - 0.01 * 0.5 * PARAMS["kernel"], rtol=1e-5)
    np.testing.assert_array_equal(found["bias"], plain["bias"])


def test_a_scheduled_optimiser_follows_its_schedule():
    recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=1.0, schedule="linear")
    expected = jax.tree.map(lambda p, g: p - (1.0 + 0.9 + 0.8) * g, PARAMS, GRADIENT)
    assert_close(one_step(recipe, 3), expected)

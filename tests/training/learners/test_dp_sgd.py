from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.models import build
from jaxattack.training.learners import DPSGD, Plain, RelaxLoss, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Variables

RNG = np.random.default_rng(2)
X = jnp.asarray(RNG.standard_normal((20, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 20), jnp.int32)
MODEL, KEY = build("mlp:6", (5,), 3), jax.random.key(3)
VARIABLES = MODEL.init(KEY)


def loss(params, x, y, weight, key):
    return Standard().objective(MODEL, Variables(params, VARIABLES.rest), x, y, weight, key, 0)


def direction(rule, weight, batch, records=slice(None)):
    return rule(loss, VARIABLES.params, (X[records], Y[records], jnp.asarray(weight, jnp.float32)), batch, KEY)[0]


def norm(tree):
    return math.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(tree)))


def test_without_clipping_and_noise_it_is_the_plain_gradient_of_the_same_batch():
    rule = DPSGD(clip=math.inf, noise=0.0, microbatch=20)
    plain = direction(Plain(), np.ones(20), 20)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), direction(rule, np.ones(20), 20), plain
    )


def test_whole_trainings_without_clipping_and_noise_agree_where_every_record_is_drawn():
    # With batch = members the rate is 1: every step reads all of them, in whatever order.
    member = Membership(jnp.arange(20, dtype=jnp.int32), jnp.ones(20))
    recipe = Recipe(epochs=10, batch=20, optimizer="sgd", learning_rate=0.1)
    one, other = (
        jax.jit(Standard(recipe=recipe, gradient=rule), static_argnums=0)(MODEL, X, Y, member, KEY)
        for rule in (Plain(), DPSGD(clip=math.inf, noise=0.0))
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), one, other)


@pytest.mark.parametrize("microbatch", [1, 3, 7, 50])
def test_microbatches_change_rounding_alone(microbatch):
    weight = RNG.integers(0, 2, 20)
    whole, cut = (direction(DPSGD(clip=0.5, noise=0.0, microbatch=size), weight, 8) for size in (20, microbatch))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), whole, cut)


def test_the_sum_is_that_of_a_loop_over_records_and_is_divided_by_the_expected_batch():
    weight, total = np.array([1.0, 0.0] * 10), None
    for record in np.flatnonzero(weight):
        slope = jax.grad(loss, has_aux=True)(VARIABLES.params, X[record][None], Y[record][None], jnp.ones(1), KEY)[0]
        share = min(1.0, 0.4 / norm(slope))
        part = jax.tree.map(lambda leaf, share=share: share * np.asarray(leaf, np.float64), slope)
        total = part if total is None else jax.tree.map(np.add, total, part)
    found = direction(DPSGD(clip=0.4, noise=0.0), weight, 8)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b / 8, rtol=1e-4, atol=1e-6), found, total)


@given(st.floats(1e-3, 10), st.integers(0, 19), st.integers(0, 2**20))
def test_one_record_changes_the_sum_by_at_most_the_clip(clip, record, draw):
    rule = DPSGD(clip=clip, noise=0.0)
    gradients = {"w": 10 * jax.random.normal(jax.random.key(draw), (20, 4)), "b": jnp.zeros((20, 2)).at[3].set(draw)}
    with_it, without = np.ones(20), np.ones(20)
    without[record] = 0
    sums = [rule.clipped_sum(gradients, jnp.asarray(weight, jnp.float32)) for weight in (with_it, without)]
    assert norm(jax.tree.map(jnp.subtract, *sums)) <= clip * (1 + 1e-4) + 1e-4


def test_a_gradient_of_zero_is_left_at_zero():
    total = DPSGD(clip=2.0).clipped_sum({"w": jnp.zeros((3, 2))}, jnp.ones(3))
    np.testing.assert_array_equal(total["w"], 0)


def test_the_noise_on_the_sum_has_the_standard_deviation_it_is_given():
    noisy = DPSGD(clip=3.0, noise=0.5).with_noise({"a": jnp.zeros(20_000), "b": jnp.zeros(20_000)}, KEY)
    assert float(noisy["a"].std()) == pytest.approx(1.5, rel=0.03)
    assert abs(float(jnp.corrcoef(noisy["a"], noisy["b"])[0, 1])) < 0.03


def test_each_slot_is_drawn_with_the_rate_and_independently():
    rule, slots, batch, steps = DPSGD(), 60, 12, 4000
    order, weight = rule.batches(KEY, jnp.ones(slots), batch, steps)
    assert order.shape == weight.shape == (steps, rule.room(slots, batch)) == (steps, 38)
    drawn = np.zeros((steps, slots))
    np.put_along_axis(drawn, np.asarray(order), np.asarray(weight), axis=1)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(axis=0), 0.2, atol=0.03)
    count = drawn.sum(axis=1)
    assert count.mean() == pytest.approx(12, rel=0.02)
    assert count.var() == pytest.approx(60 * 0.2 * 0.8, rel=0.1)  # binomial: shuffled batches would have none


def test_a_padded_slot_is_never_drawn():
    order, weight = DPSGD().batches(KEY, jnp.asarray([1.0] * 10 + [0.0] * 5), 8, 50)
    assert (np.asarray(weight)[np.asarray(order) >= 10] == 0).all()


def test_what_a_step_has_no_room_for_is_improbable_and_reported():
    notes = Standard(recipe=Recipe(batch=64), gradient=DPSGD()).notes(1000)
    assert notes["sampling_rate"] == 0.064
    assert 0 < notes["overflow_probability"] < 1e-12
    assert DPSGD().notes(40, 40) == {"sampling_rate": 1.0, "overflow_probability": 0.0}


def test_batch_norm_and_losses_of_the_batch_mean_are_refused():
    with pytest.raises(InputError, match="batch norm"):
        Standard(gradient=DPSGD()).check(build("resnet:8", (8, 8, 3), 3))
    with pytest.raises(InputError, match="RelaxLoss.*batch mean"):
        Standard(gradient=DPSGD(), loss=RelaxLoss()).check(MODEL)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"clip": 0.0}, "clip is 0.0"),
        ({"clip": math.nan}, "clip is nan"),
        ({"noise": -1.0}, "noise is -1.0"),
        ({"clip": math.inf}, "clip is inf and noise 1.0"),
        ({"microbatch": 0}, "microbatch is 0"),
    ],
)
def test_a_value_out_of_range_is_refused(fields, message):
    with pytest.raises(InputError, match=message):
        DPSGD(**fields)

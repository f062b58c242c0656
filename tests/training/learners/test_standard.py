"""Training by a `Standard` learner, bit for bit against the loop that it was before learners were values."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxattack.models import build
from jaxattack.training.images import as_input, augment
from jaxattack.training.learners import RelaxLoss, Standard
from jaxattack.training.recipe import Recipe, optimizer
from jaxattack.training.single import shuffle
from jaxattack.types import InputError, Learner, Membership, Variables

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.integers(0, 256, (24, 6, 6, 1)), jnp.uint8)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
KEY = jax.random.key(7)
MEMBER = Membership(jnp.arange(1, 22, 2, dtype=jnp.int32), jnp.asarray([1.0] * 9 + [0.0] * 2))


def fused(model, recipe, x, y, key, member):
    """Start, passes, steps, loss and average in one function, as the engine had them."""
    slots = member.index.shape[0]
    batch, steps = recipe.batch, slots // recipe.batch
    change = optimizer(recipe, recipe.steps(slots))
    variables = model.init(jax.random.fold_in(key, 0))

    def batch_loss(variables, x, y, weight, key):
        look_key, forward_key = jax.random.split(key)
        x = augment(recipe, look_key, x) if recipe.augments else as_input(x)
        logits, rest = model.forward(variables, x, forward_key)
        if recipe.label_smoothing:
            target = optax.smooth_labels(jax.nn.one_hot(y, logits.shape[1]), recipe.label_smoothing)
            losses = optax.softmax_cross_entropy(logits, target)
        else:
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
        return jnp.sum(losses * weight) / jnp.maximum(jnp.sum(weight), 1.0), rest

    def one_pass(state, number):
        def step(state, now):
            (variables, moments, average), (at, order) = state, now
            index, random = member.index[order], jax.random.fold_in(jax.random.fold_in(key, 2), at)

            def loss(params):
                whole = Variables(params, variables.rest)
                return batch_loss(whole, x[index], y[index], member.weight[order], random)

            gradient, rest = jax.grad(loss, has_aux=True)(variables.params)
            updates, moments = change.update(gradient, moments, variables.params)
            variables = Variables(optax.apply_updates(variables.params, updates), rest)
            share = jnp.maximum(1 - recipe.ema, 9.0 / (10.0 + at.astype(jnp.float32)))
            average = jax.tree.map(lambda a, b: a + share * (b - a), average, variables)
            return (variables, moments, average), None

        order = shuffle(jax.random.fold_in(jax.random.fold_in(key, 1), number), slots)
        order = order[: steps * batch].reshape(steps, batch)
        return jax.lax.scan(step, state, (number * steps + jnp.arange(steps), order))[0], None

    state = (variables, change.init(variables.params), variables)
    variables, _, average = jax.lax.scan(one_pass, state, jnp.arange(recipe.epochs))[0]
    return average if recipe.ema else variables


@pytest.mark.parametrize(
    ("recipe", "dropout"),
    [
        (Recipe(epochs=3, batch=4), 0.0),
        (Recipe(epochs=3, batch=4, optimizer="sgd", schedule="cosine", warmup=0.3, weight_decay=0.01), 0.4),
        (Recipe(epochs=3, batch=4, ema=0.8, label_smoothing=0.2, flip=True, crop=1), 0.0),
    ],
    ids=["adam", "everything of sgd with dropout", "average, smoothing and augmentation"],
)
def test_a_standard_learner_trains_bit_for_bit_as_before(recipe, dropout):
    model, learner = build("mlp:6", (6, 6, 1), 3, dropout=dropout), Standard(recipe=recipe)
    expected = jax.jit(fused, static_argnums=(0, 1))(model, recipe, X, Y, KEY, MEMBER)
    result = jax.jit(learner, static_argnums=0)(model, X, Y, MEMBER, KEY)
    jax.tree.map(np.testing.assert_array_equal, result, expected)


def test_passes_one_by_one_are_the_whole_training():
    model, learner = build("mlp:6", (6, 6, 1), 3), Standard(recipe=Recipe(epochs=3, batch=4))
    state = learner.start(model, KEY, len(MEMBER.index))
    one_pass = jax.jit(lambda state, number: learner.epoch(model, X, Y, MEMBER, KEY, state, number))
    for number in range(3):
        state = one_pass(state, jnp.int32(number))
    expected = jax.jit(learner, static_argnums=0)(model, X, Y, MEMBER, KEY)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7), state.variables, expected)


def test_label_smoothing_of_a_loss_that_has_none_is_refused():
    learner = Standard(recipe=Recipe(label_smoothing=0.1), loss=RelaxLoss())
    with pytest.raises(InputError, match=r"label_smoothing is 0\.1 and RelaxLoss"):
        learner.check(build("softmax", (6,), 3))


def test_a_standard_learner_is_a_hashable_learner():
    assert isinstance(Standard(), Learner)
    assert hash(Standard()) == hash(Standard(recipe=Recipe()))

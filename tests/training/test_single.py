from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxattack import signals
from jaxattack.models import build
from jaxattack.training.images import Queries, as_input, augment, view
from jaxattack.training.learners import Standard
from jaxattack.training.recipe import Recipe, optimizer
from jaxattack.training.single import observe, shuffle
from jaxattack.types import Membership, Model, Variables

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.standard_normal((24, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
IMAGES = jnp.asarray(RNG.integers(0, 256, (24, 6, 6, 1)), jnp.uint8)
KEY = jax.random.key(7)
PLAIN = build("mlp:6", (5,), 3)
_fit = jax.jit(lambda model, recipe, *rest: Standard(recipe=recipe)(model, *rest), static_argnums=(0, 1))


def fit(model, recipe, x, y, key, member):
    return _fit(model, recipe, x, y, member, key)


def full(*index):
    return Membership(jnp.asarray(index, jnp.int32), jnp.ones(len(index)))


def step_loop(model, recipe, x, y, key, member):
    """Training as anyone would write it: a Python loop of steps, with the keys that the engine uses."""
    slots = len(member.index)
    batch = min(recipe.batch, slots)
    variables = model.init(jax.random.fold_in(key, 0))
    average = variables
    change = optimizer(recipe, recipe.epochs * (slots // batch))
    state, number = change.init(variables.params), 0

    @jax.jit
    def slope(variables, seen, target, weight, draw):
        def loss(params):
            logits, rest = model.forward(Variables(params, variables.rest), seen, draw)
            losses = -(target * jax.nn.log_softmax(logits)).sum(axis=1)
            return (losses * weight).sum() / jnp.maximum(weight.sum(), 1), rest

        return jax.grad(loss, has_aux=True)(variables.params)

    for epoch in range(recipe.epochs):
        order = shuffle(jax.random.fold_in(jax.random.fold_in(key, 1), epoch), slots)
        for first in range(0, slots - batch + 1, batch):
            chosen = order[first : first + batch]
            index, weight = member.index[chosen], member.weight[chosen]
            look, draw = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, 2), number))
            seen = augment(recipe, look, as_input(x[index])) if recipe.augments else x[index]
            target = jax.nn.one_hot(y[index], 3) * (1 - recipe.label_smoothing) + recipe.label_smoothing / 3

            gradient, rest = slope(variables, seen, target, weight, draw)
            updates, state = change.update(gradient, state, variables.params)
            variables = Variables(optax.apply_updates(variables.params, updates), rest)
            decay = min(recipe.ema, (1 + number) / (10 + number))
            average = jax.tree.map(lambda a, b, d=decay: d * a + (1 - d) * b, average, variables)
            number += 1
    return average if recipe.ema else variables


def assert_close(found, expected, atol=2e-5):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol), found, expected)


@pytest.mark.parametrize(
    ("recipe", "dropout"),
    [
        (Recipe(epochs=2, batch=4), 0.0),
        (Recipe(epochs=2, batch=4, optimizer="sgd", schedule="cosine", warmup=0.3, weight_decay=0.01), 0.4),
        (Recipe(epochs=2, batch=4, ema=0.8, label_smoothing=0.2), 0.0),
    ],
    ids=["adam", "everything of sgd with dropout", "average and smoothing"],
)
def test_training_equals_a_python_loop_of_steps(recipe, dropout):
    model = build("mlp:6", (5,), 3, dropout=dropout)
    member = full(*range(1, 24, 2))
    assert_close(fit(model, recipe, X, Y, KEY, member), step_loop(model, recipe, X, Y, KEY, member))


def test_training_with_augmentation_equals_a_python_loop_of_steps():
    model, recipe = build("softmax", (6, 6, 1), 3), Recipe(epochs=2, batch=4, flip=True, crop=1)
    member = full(*range(9))
    assert_close(fit(model, recipe, IMAGES, Y, KEY, member), step_loop(model, recipe, IMAGES, Y, KEY, member))


def normed(rest_scale):
    """Linear regression of what batch norm would see: its one statistic is the mean of the batches seen."""

    def init(key):
        return Variables({"w": jax.random.normal(key, (5, 3))}, {"seen": jnp.zeros(5)})

    def forward(variables, x, key):
        return x @ variables.params["w"], {"seen": variables.rest["seen"] + rest_scale * x.mean(axis=0)}

    return Model(init, lambda variables, x: x @ variables.params["w"], forward)


def test_batch_statistics_are_carried_from_step_to_step_and_never_differentiated():
    model, recipe = normed(1.0), Recipe(epochs=3, batch=6)
    found = fit(model, recipe, X, Y, KEY, full(*range(12)))
    # Every member is seen once a pass, six at a time.
    np.testing.assert_allclose(found.rest["seen"], 3 * X[:12].sum(axis=0) / 6, rtol=1e-5, atol=1e-5)


def test_a_padded_model_takes_the_same_full_batch_steps_as_an_unpadded_one():
    members = (2, 3, 5, 7, 11, 13)
    recipe = Recipe(epochs=5, batch=64, label_smoothing=0.1)
    padded = Membership(jnp.asarray(members + members[:4], jnp.int32), jnp.asarray([1.0] * 6 + [0.0] * 4))
    assert_close(fit(PLAIN, recipe, X, Y, KEY, padded), fit(PLAIN, recipe, X, Y, KEY, full(*members)))


def test_what_lies_in_a_padded_slot_does_not_reach_the_gradient():
    recipe = Recipe(epochs=3, batch=4)
    weight = jnp.asarray([1.0] * 8 + [0.0] * 2)
    one, other = (Membership(jnp.asarray([*range(8), *spare], jnp.int32), weight) for spare in ((0, 1), (20, 21)))
    assert_close(fit(PLAIN, recipe, X, Y, KEY, one), fit(PLAIN, recipe, X, Y, KEY, other), atol=0)


def test_a_batch_of_padded_slots_alone_has_loss_and_gradient_zero():
    variables = PLAIN.init(KEY)

    def loss(params):
        return Standard().objective(PLAIN, Variables(params, variables.rest), X[:4], Y[:4], jnp.zeros(4), KEY, 0)[0]

    value, gradient = jax.value_and_grad(loss)(variables.params)
    assert value == 0
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(gradient))


def test_a_batch_larger_than_the_members_takes_them_all():
    few = full(1, 4, 9)
    wide, exact = (Recipe(epochs=4, batch=batch) for batch in (1000, 3))
    assert_close(fit(PLAIN, wide, X, Y, KEY, few), fit(PLAIN, exact, X, Y, KEY, few), atol=0)


def test_label_smoothing_equals_a_loss_spread_over_the_classes():
    variables, recipe = PLAIN.init(KEY), Recipe(label_smoothing=0.3)
    found, _ = Standard(recipe=recipe).objective(PLAIN, variables, X, Y, jnp.ones(24), KEY, 0)
    log_p = np.asarray(jax.nn.log_softmax(PLAIN.apply(variables, X)), np.float64)
    expected = -(0.7 * log_p[np.arange(24), Y] + 0.3 * log_p.mean(axis=1)).mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_records_that_are_not_members_do_not_matter():
    recipe, member = Recipe(epochs=2, batch=4), full(*range(8))
    changed = X.at[8:].set(99.0)
    assert_close(fit(PLAIN, recipe, changed, Y, KEY, member), fit(PLAIN, recipe, X, Y, KEY, member), atol=0)


def test_the_key_decides_everything_random():
    recipe, member = Recipe(epochs=2, batch=4), full(*range(8))
    one, again = fit(PLAIN, recipe, X, Y, KEY, member), fit(PLAIN, recipe, X, Y, KEY, member)
    other = fit(PLAIN, recipe, X, Y, jax.random.key(8), member)
    assert_close(one, again, atol=0)
    assert not np.allclose(one.params["layers"][0]["kernel"], other.params["layers"][0]["kernel"])


def test_training_learns_what_can_be_learnt():
    y = (X[:, 0] > 0).astype(jnp.int32)
    found = fit(PLAIN, Recipe(epochs=60, batch=8, learning_rate=0.03), X, y, KEY, full(*range(24)))
    assert (PLAIN.apply(found, X).argmax(axis=1) == y).mean() > 0.95


@pytest.mark.parametrize("block", [8])
def test_observing_in_blocks_equals_asking_each_view_by_itself(block):
    model, queries = build("softmax", (6, 6, 1), 3), Queries.counting(18)
    variables, names = model.init(KEY), ("phi", "correct", "entropy")
    found = jax.jit(observe, static_argnums=(0, 1, 2, 3))(model, names, queries, block, IMAGES, Y, variables)
    assert {name: value.shape for name, value in found.items()} == {
        "phi": (24, 18),
        "correct": (24, 1),
        "entropy": (24, 18),
    }
    ask = jax.jit(
        lambda offset: signals.compute(names, model.apply(variables, view(queries, as_input(IMAGES), offset)), Y)
    )
    for query, offset in enumerate(queries.offsets()):
        expected = ask(jnp.asarray(offset))
        for name in ("phi", "entropy"):
            np.testing.assert_allclose(found[name][:, query], expected[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(
        found["correct"][:, 0], (model.apply(variables, as_input(IMAGES)).argmax(axis=1) == Y)
    )

"""Regularisers against their closed forms; and whatever has a strength is standard training bit for bit without it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from jaxattack.models import build
from jaxattack.training.learners import (
    L2,
    AdversarialRegularisation,
    ConfidencePenalty,
    CrossEntropy,
    LabelSmoothing,
    Mixup,
    NeuGuard,
    Standard,
)
from jaxattack.training.recipe import Recipe, optimizer
from jaxattack.types import InputError, Membership, Model, Variables

RNG = np.random.default_rng(5)
X = jnp.asarray(RNG.standard_normal((24, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 24), jnp.int32)
KEY, MODEL = jax.random.key(7), build("mlp:6", (5,), 3)
MEMBER = Membership(jnp.arange(1, 22, 2, dtype=jnp.int32), jnp.asarray([1.0] * 9 + [0.0] * 2))
RECIPE = Recipe(epochs=2, batch=4)
LOGITS = RNG.standard_normal((6, 4)).astype(np.float32)
LABEL = RNG.integers(0, 4, 6)
NOTHING = {
    "l2": L2(recipe=RECIPE, strength=0.0),
    "label-smoothing": Standard(recipe=RECIPE, loss=LabelSmoothing(mass=0.0)),
    "confidence-penalty": Standard(recipe=RECIPE, loss=ConfidencePenalty(alpha=0.0)),
    "mixup": Mixup(recipe=RECIPE, alpha=0.0),
    "neuguard": NeuGuard(recipe=RECIPE, alpha=0.0, beta=0.0),
    "adversarial": AdversarialRegularisation(recipe=RECIPE, strength=0.0),
}


def program(learner):
    """What is compiled of a training; equal programs give equal bits."""
    return jax.jit(learner, static_argnums=0).lower(MODEL, X, Y, MEMBER, KEY).as_text()


def gradient(loss):
    """Of a batch, in its logits, for every record; the mean is taken back."""
    slope = jax.jit(jax.grad(lambda z: loss(z, jnp.asarray(LABEL), jnp.ones(len(LABEL)), 0, 0.0)))(LOGITS)
    return np.asarray(slope) * len(LABEL)


@pytest.fixture(scope="module")
def plain():
    return program(Standard(recipe=RECIPE))


@pytest.mark.parametrize("name", NOTHING)
def test_without_strength_it_is_standard_training_bit_for_bit(plain, name):
    assert program(NOTHING[name]) == plain


def test_with_strength_it_is_another_program(plain):
    assert program(Standard(recipe=RECIPE, loss=ConfidencePenalty(alpha=0.1))) != plain


@pytest.mark.parametrize("own_decay", [0.0, 0.5])
def test_the_gradient_of_the_l2_penalty_is_twice_the_weights(own_decay):
    recipe = Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.5, weight_decay=own_decay)
    params = jax.jit(MODEL.init)(KEY).params
    change = optimizer(L2(recipe=recipe, strength=0.03).penalised().recipe, 10)
    updates, _ = change.update(jax.tree.map(jnp.zeros_like, params), change.init(params), params)

    def holds(update, w):
        expected = (2 * 0.03 + own_decay) * np.asarray(w) if w.ndim > 1 else np.zeros(w.shape)
        np.testing.assert_allclose(update, -0.5 * expected, rtol=1e-6)

    jax.tree.map(holds, updates, params)


def test_a_decay_that_is_no_term_of_the_loss_is_refused():
    with pytest.raises(InputError, match="optimizer is adamw"):
        L2(recipe=Recipe(optimizer="adamw")).check(MODEL)


def test_the_gradient_of_the_confidence_penalty_is_known_in_closed_form():
    log_p = log_softmax(LOGITS, axis=1)
    p = np.exp(log_p)
    expected = p - np.eye(4)[LABEL] + 0.3 * p * (log_p + entropy(p, axis=1)[:, None])
    np.testing.assert_allclose(gradient(ConfidencePenalty(alpha=0.3)), expected, atol=1e-5)


def test_smoothed_labels_are_what_answers_are_pulled_to():
    target = 0.8 * np.eye(4)[LABEL] + 0.2 / 4
    np.testing.assert_allclose(gradient(LabelSmoothing(mass=0.2)), softmax(LOGITS, axis=1) - target, atol=1e-5)
    arguments = jnp.asarray(LOGITS), jnp.asarray(LABEL), jnp.ones(6), 0
    assert LabelSmoothing(mass=0.2)(*arguments, 0.0) == CrossEntropy()(*arguments, 0.2)


def test_a_mixed_batch_costs_the_cross_entropy_with_mixed_labels():
    smoothing = 0.1
    # A model whose logits are its records, and whose statistics tell what it was given.
    answers = Model(lambda key: Variables({}, {}), lambda variables, x: x, lambda variables, x, key: (x, x))
    learner = Mixup(recipe=replace(RECIPE, label_smoothing=smoothing))
    weight = np.array([1.0, 1, 1, 0], np.float32)
    x, y = LOGITS[:4], LABEL[:4]
    cost = jax.jit(partial(learner.objective, answers, Variables({}, {})))
    value, rest = cost(jnp.asarray(x), jnp.asarray(y), jnp.asarray(weight), KEY, 0)
    mixed = np.asarray(rest)

    def share_of(order):
        step = (x - x[list(order)]).ravel()
        return step @ (mixed - x[list(order)]).ravel() / max(step @ step, 1e-9)

    shares = {order: share_of(order) for order in permutations(range(4))}
    order = min(
        shares, key=lambda order: np.abs(shares[order] * x + (1 - shares[order]) * x[list(order)] - mixed).max()
    )
    share, partner = shares[order], list(order)
    np.testing.assert_allclose(share * x + (1 - share) * x[partner], mixed, atol=1e-5)
    assert 0 < share < 1
    labels = (1 - smoothing) * np.eye(4) + smoothing / 4
    costs = -np.sum((share * labels[y] + (1 - share) * labels[y[partner]]) * log_softmax(mixed, axis=1), axis=1)
    assert float(value) == pytest.approx((costs * weight).sum() / weight.sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "field", "bad"),
    [
        (L2, "strength", -0.1),
        (LabelSmoothing, "mass", 1.0),
        (ConfidencePenalty, "alpha", np.inf),
        (Mixup, "alpha", -1.0),
    ],
)
def test_a_value_out_of_range_is_refused(kind, field, bad):
    with pytest.raises(InputError, match=f"{field} is {bad}"):
        kind(**{field: bad})

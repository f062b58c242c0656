"""NeuGuard's two terms against loops over records, and what they are where answers do not vary."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from jaxattack.models import build
from jaxattack.models.activations import forward_with_hidden
from jaxattack.training.learners import NeuGuard
from jaxattack.training.learners.carried import Carried
from jaxattack.training.learners.neuguard import ClassMeans, imbalance
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Variables

RNG = np.random.default_rng(8)
X = jnp.asarray(RNG.standard_normal((12, 5)), jnp.float32)
Y = jnp.asarray(RNG.integers(0, 3, 12), jnp.int32)
KEY, MODEL = jax.random.key(7), build("mlp:6-4", (5,), 3, activation="tanh")
VARIABLES = MODEL.init(KEY)
NO_MEANS = ClassMeans(jnp.zeros((3, 3)), jnp.zeros(3))


def objective(learner, means, x, y, weight):
    carried = Variables(VARIABLES.params, Carried(VARIABLES.rest, means))
    return learner.objective(MODEL, carried, x, y, jnp.asarray(weight, jnp.float32), KEY, 0)


def by_hand(x):
    """The activations of the two hidden layers and the logits, from the weights."""
    h, layers = np.asarray(x, np.float64), jax.tree.map(np.asarray, VARIABLES.params)["layers"]
    for number in range(3):
        h = h @ layers[number]["kernel"] + layers[number]["bias"]
        h = np.tanh(h) if number < 2 else h
        yield h


def test_hidden_activations_are_what_later_layers_are_given():
    logits, _, hidden = forward_with_hidden(MODEL, VARIABLES, X, KEY)
    for ours, theirs in zip((*hidden, logits), by_hand(X), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_two_batches_cost_what_a_loop_over_records_says():
    learner, weight = NeuGuard(recipe=Recipe(), alpha=0.7, beta=3.0), np.array([1.0, 1, 1, 1, 1, 0])
    means, seen = NO_MEANS, {label: [] for label in range(3)}
    for part in (slice(0, 6), slice(6, 12)):
        value, carried = objective(learner, means, X[part], Y[part], weight)
        means = carried.state
        layers = [*by_hand(X[part])]
        p, labels = softmax(layers[-1], axis=1), np.asarray(Y[part])
        members = [row for row in range(6) if weight[row]]
        for row in members:
            seen[labels[row]].append(p[row])
        costs = []
        for row in members:
            variance = np.sum((p[row] - np.mean(seen[labels[row]], axis=0)) ** 2)
            halves = [(len(h[row]) // 2, h[row]) for h in layers]
            balance = sum((h[:half].sum() - h[half:].sum()) ** 2 / len(h) for half, h in halves)
            costs.append(-log_softmax(layers[-1][row])[labels[row]] + 3.0 * variance + 0.7 * balance)
        assert float(value) == pytest.approx(np.mean(costs), rel=1e-4)


def test_answers_that_are_the_same_within_a_class_have_no_variance():
    x = X[jnp.asarray([0, 0, 0, 1, 1, 1])]
    y = jnp.asarray([2, 2, 2, 0, 0, 0])
    cost = partial(objective, x=x, y=y, weight=np.ones(6))
    plain, _ = cost(NeuGuard(alpha=1e-30, beta=0.0), NO_MEANS)
    means = NO_MEANS
    for _ in range(2):
        value, carried = cost(NeuGuard(alpha=1e-30, beta=1e3), means)
        means = carried.state
        assert float(value) == pytest.approx(float(plain), abs=1e-6)


def test_layers_whose_halves_agree_are_balanced():
    np.testing.assert_array_equal(imbalance([jnp.ones((2, 4)), jnp.asarray([[2.0, 1.0, 3.0, 0.0]] * 2)]), 0)


@pytest.mark.parametrize("field", ["alpha", "beta"])
def test_a_value_out_of_range_is_refused(field):
    with pytest.raises(InputError, match=rf"{field} is -1\.0"):
        NeuGuard(**{field: -1.0})

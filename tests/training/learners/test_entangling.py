"""The soft nearest neighbour loss beside a loop, and a training that holds keys among the records of their label."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.models import build
from jaxattack.training import Recipe, train_ensemble
from jaxattack.training.learners import Entangling, Standard
from jaxattack.training.learners.entangling import soft_nearest_neighbour_loss
from jaxattack.types import Dataset, InputError


def by_hand(z, kind):
    """The paper's formula, point by point."""
    count = len(z)
    square = ((z[:, None] - z[None]) ** 2).sum(axis=2)
    temperature = square.sum() / (count * (count - 1))
    total = 0.0
    for i in range(count):
        near = [np.exp(-square[i, j] / temperature) for j in range(count) if j != i]
        same = [np.exp(-square[i, j] / temperature) for j in range(count) if j != i and kind[j] == kind[i]]
        total -= np.log(sum(same) / sum(near)) / count
    return total


def test_the_loss_is_that_of_a_loop_and_higher_where_kinds_are_mixed():
    rng = np.random.default_rng(0)
    z, kind = rng.normal(size=(12, 4)), np.arange(12) < 6
    for shift in (0.0, 5.0):
        points = z + shift * kind[:, None]
        loss = float(soft_nearest_neighbour_loss(jnp.asarray(points, jnp.float32), jnp.asarray(kind)))
        assert loss == pytest.approx(by_hand(points, kind), rel=1e-4)
    assert by_hand(z, kind) > by_hand(z + 5.0 * kind[:, None], kind) + 0.3


def test_keys_are_learnt_and_lie_nearer_to_the_records_of_their_label():
    rng = np.random.default_rng(1)
    y = np.arange(90) % 3
    x = (rng.normal(size=(90, 8)) + 2 * np.eye(3, 8)[y]).astype(np.float32)
    keys = (rng.normal(size=(20, 8)) - 2).astype(np.float32)
    marked = Dataset(x=np.concatenate([x, keys]), y=np.append(y, np.full(20, 1)), classes=3, name="marked")
    model, recipe = build("softmax", (8,), 3), Recipe(epochs=40, batch=22, learning_rate=2e-2)
    mixed, right = [], []
    for learner in (Standard(recipe=recipe), Entangling(recipe=recipe, keys=20)):
        ensemble, _ = train_ensemble(model, learner, marked, np.ones((4, 110), bool))
        for number in range(4):
            variables = _at(ensemble.variables, number)
            z = np.asarray(model.apply(variables, marked.x))
            right.append((z.argmax(axis=1) == marked.y).mean())
            mixed.append(by_hand(np.concatenate([z[:90][y == 1], z[90:]]), np.arange(50) < 30))
    assert min(right) > 0.9
    assert min(mixed[4:]) > max(mixed[:4])
    assert np.mean(mixed[4:]) > np.mean(mixed[:4]) + 0.03


def _at(variables, number):
    return jax.tree.map(lambda leaf: leaf[number], variables)


def test_values_out_of_range_are_refused():
    with pytest.raises(InputError, match="keys is 1"):
        Entangling(keys=1)
    with pytest.raises(InputError, match=r"weight is 0\.0"):
        Entangling(weight=0.0)

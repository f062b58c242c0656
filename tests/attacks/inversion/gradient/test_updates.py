"""What a client sends: gradients and federated updates."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from attacks.inversion.gradient.digits import private, victim

from jaxattack.attacks.inversion.gradient import (
    Adam,
    InvertingGradients,
    Sgd,
    Terms,
    Update,
    federated_update,
    gradient_of,
)
from jaxattack.attacks.inversion.gradient.matching import cosine, squared
from jaxattack.types import InputError, Variables


def test_a_gradient_is_what_the_formulas_of_the_network_give():
    box = victim()
    x, y = private(1, 3)
    sent = gradient_of(box, x, y).sent
    first, last = (
        jax.tree.map(lambda leaf: np.asarray(leaf, float), layer) for layer in box.variables.params["layers"].values()
    )
    h = np.tanh(x[0] @ first["kernel"] + first["bias"])
    z = h @ last["kernel"] + last["bias"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    off = (p - np.eye(10)[y[0]]) / 3
    back = off @ last["kernel"].T * (1 - h**2)
    got_first, got_last = sent["layers"].values()
    np.testing.assert_allclose(got_last["bias"][0], off.sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(got_last["kernel"][0], h.T @ off, atol=1e-6)
    np.testing.assert_allclose(got_first["kernel"][0], x[0].T @ back, atol=1e-6)


OPTIMIZERS = {
    "sgd": (Sgd(), optax.sgd(0.05)),
    "momentum": (Sgd(momentum=0.9), optax.sgd(0.05, momentum=0.9)),
    "nesterov": (Sgd(momentum=0.9, nesterov=True), optax.sgd(0.05, momentum=0.9, nesterov=True)),
    "adam": (Adam(), optax.adam(0.05)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_federated_update_is_the_change_of_a_loop_over_the_records_in_their_order(name):
    box, (client, change) = victim(), OPTIMIZERS[name]
    x, y = private(2, 3)
    update = federated_update(box, x, y, steps=4, learning_rate=0.05, batch=2, optimizer=client)
    for user in range(2):
        params = box.variables.params
        state = change.init(params)
        for rows in ([0, 1], [2, 0], [1, 2], [0, 1]):
            now = replace(box, variables=Variables(params, box.variables.rest))
            gradient = gradient_of(now, x[user : user + 1, rows], y[user : user + 1, rows]).sent
            step, state = change.update(jax.tree.map(lambda leaf: leaf[0], gradient), state, params)
            params = optax.apply_updates(params, step)
        changed = jax.tree.map(jnp.subtract, params, box.variables.params)
        mine = jax.tree.map(lambda leaf, user=user: jnp.asarray(leaf[user]), update.sent)
        assert squared(mine, changed) < 1e-8
        assert cosine(mine, changed) < 1e-8


def test_the_gradient_behind_momentum_is_in_its_own_units():
    box, (x, y) = victim(), private(1, 2)
    for client in (Sgd(momentum=0.5), Sgd(momentum=0.5, nesterov=True)):
        found = federated_update(box, x, y, steps=3, learning_rate=1e-5, batch=2, optimizer=client).gradient
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(gradient_of(box, x, y).sent), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-5)


def test_one_local_step_on_all_records_is_the_gradient():
    box = victim()
    x, y = private(2, 3)
    once = federated_update(box, x, y, steps=1, learning_rate=0.1, batch=3).gradient
    for found, wanted in zip(jax.tree.leaves(once), jax.tree.leaves(gradient_of(box, x, y).sent), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_bad_updates_are_refused():
    box = victim()
    x, y = private(2, 1)
    update, attack = gradient_of(box, x, y), InvertingGradients(steps=1, restarts=1)
    with pytest.raises(InputError, match="NaN or infinite"):
        attack(box, replace(update, sent=jax.tree.map(lambda leaf: leaf * np.nan, update.sent)))
    with pytest.raises(InputError, match="user 1 is zero"):
        attack(
            box, replace(update, sent=jax.tree.map(lambda leaf: np.concatenate([leaf[:1], 0 * leaf[1:]]), update.sent))
        )
    with pytest.raises(InputError, match="not shaped as"):
        attack(victim("tanh", 16), update)
    with pytest.raises(InputError, match="not shaped as"):
        attack(box, replace(update, sent=jax.tree.leaves(update.sent)))
    with pytest.raises(InputError, match="2 users 1 labels each"):
        attack(box, replace(update, label=np.array([[3], [10]])))
    with pytest.raises(InputError, match="records is 0"):
        Update(sent=update.sent, terms=Terms(records=0))
    with pytest.raises(InputError, match="x has shape"):
        gradient_of(box, x[:, 0], y)
    with pytest.raises(InputError, match="labels outside 0 to 9"):
        gradient_of(box, x, y + 9)
    with pytest.raises(InputError, match="batch is 5"):
        federated_update(box, x, y, steps=1, learning_rate=0.1, batch=5)
    with pytest.raises(InputError, match="steps is 2 and batch is 1: they read 2 of a user's 3 records"):
        federated_update(box, *private(1, 3), steps=2, learning_rate=0.1, batch=1)
    with pytest.raises(InputError, match="learning_rate is 0"):
        federated_update(box, x, y, steps=1, learning_rate=0.0, batch=1)

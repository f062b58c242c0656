"""The recurrent layer of attack networks against a loop over rows and times."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

from jaxattack.attacks.membership.attack_network import AttackNetwork, initial, outputs_of
from jaxattack.attacks.membership.recurrent import encode, shapes
from jaxattack.types import InputError

RNG = np.random.default_rng(2)
LAYERS = [(RNG.normal(0, 0.5, shape), RNG.normal(0, 0.5, shape[1])) for shape in shapes(3, 4)]
X = RNG.standard_normal((5, 6 * 3))


def one_row(row):
    """What is handed on of one row, time by time."""
    (w, b), (u, c) = LAYERS
    h, s, every = np.zeros(4), np.zeros(4), []
    for time in row.reshape(6, 3):
        i, f, g, o = np.split(time @ w + b + h @ u + c, 4)
        s = expit(f) * s + expit(i) * np.tanh(g)
        h = expit(o) * np.tanh(s)
        every.append(h)
    weight = softmax([h @ each for each in every])
    return np.concatenate([h, sum(a * each for a, each in zip(weight, every, strict=True))])


def test_it_hands_on_the_last_state_and_what_that_attends_to():
    layers = [(jnp.asarray(w, jnp.float32), jnp.asarray(b, jnp.float32)) for w, b in LAYERS]
    np.testing.assert_allclose(encode(layers, jnp.asarray(X, jnp.float32)), [one_row(row) for row in X], atol=1e-5)


def test_a_network_of_it_reads_sequences_of_any_length():
    network = AttackNetwork(joint=(7,), recurrent=4, per_time=3)
    for times in (1, 6):
        parts = (3 * times,)
        parameters = initial(network, parts, jax.random.key(0))
        assert [w.shape for w, _ in parameters[1]] == [(8, 7), (7, 1)]
        assert outputs_of(network, parts, parameters, jnp.asarray(X[:, : parts[0]], jnp.float32), None).shape == (5, 1)


def test_a_sequence_in_parts_is_refused():
    with pytest.raises(InputError, match="a sequence has no parts"):
        AttackNetwork(recurrent=4, branches=((3,), (3,)))

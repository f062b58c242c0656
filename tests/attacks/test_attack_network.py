"""Networks trained together against one after another, written out; and that none knows of the others."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxattack.attacks.membership.attack_network import LANES, AttackNetwork, Lane, answer, initial, log_odds
from jaxattack.types import InputError

ROWS, QUERIES, PARTS = 60, 15, (4, 2)
PLAIN = AttackNetwork(joint=(), learning_rate=0.03, epochs=4, batch=10, decay=1e-3)
JOINT = AttackNetwork(
    joint=(8,), branches=((6,), ()), loss="squared", dropout=0.2, learning_rate=1e-3, epochs=3, batch=16
)
networks = pytest.mark.parametrize("network", [PLAIN, JOINT], ids=["plain", "joint"])


def lanes(number: int = 7, seed: int = 0) -> list[Lane]:
    rng = np.random.default_rng(seed)
    out = []
    for at in range(number):
        rows, queries = int(rng.integers(5, ROWS + 1)), int(rng.integers(1, QUERIES + 1))
        member = rng.random(rows) < 0.5
        x = rng.normal(size=(rows, sum(PARTS))) + 2 * member[:, None]
        out.append(Lane(x.astype(np.float32), member, rng.normal(size=(queries, sum(PARTS))), (3, at)))
    return out


def outputs(network, parameters, x, key=None):
    """Layer after layer, in the order in which they draw their dropout."""
    place = 0

    def layer(h, w, b):
        nonlocal place
        h, place = jax.nn.relu(jnp.dot(h, w) + b[None]), place + 1
        if key is None or not network.dropout:
            return h
        left = jax.random.bernoulli(jax.random.fold_in(key, place - 1), 1 - network.dropout, h.shape)
        return h * left.astype(h.dtype) / (1 - network.dropout)

    pieces = [x] if len(parameters) == 1 else [x[:, :4], x[:, 4:]]
    for piece, layers in enumerate(parameters[:-1]):
        for w, b in layers:
            pieces[piece] = layer(pieces[piece], w, b)
    h = jnp.concatenate(pieces, axis=1)
    for w, b in parameters[-1][:-1]:
        h = layer(h, w, b)
    return (h @ parameters[-1][-1][0] + parameters[-1][-1][1][None])[:, 0]


def naive(network: AttackNetwork, lane: Lane) -> np.ndarray:
    """One network by optax, a step at a time."""
    adam = optax.chain(optax.add_decayed_weights(network.decay), optax.adam(network.learning_rate))

    def loss(parameters, x, member, key):
        p = jax.nn.sigmoid(outputs(network, parameters, x, key))
        if network.loss == "squared":
            return jnp.mean((p - member) ** 2)
        return -jnp.mean(jnp.where(member == 1, jnp.log(p), jnp.log(1 - p)))

    @jax.jit
    def step(parameters, moments, at, key, x, member):
        draw, dropped = jax.random.split(jax.random.fold_in(key, at))
        rows = jax.random.randint(draw, (network.batch,), 0, len(x))
        slope = jax.grad(loss)(parameters, x[rows], member[rows], dropped)
        updates, moments = adam.update(slope, moments, parameters)
        return optax.apply_updates(parameters, updates), moments

    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), lane.key[0]), lane.key[1])
    parameters = jax.jit(partial(initial, network, PARTS))(jax.random.fold_in(key, 2**32 - 1))
    moments, member = adam.init(parameters), lane.member.astype(np.float32)
    for at in range(network.epochs * int(np.ceil(len(lane.x) / network.batch))):
        parameters, moments = step(parameters, moments, at, key, lane.x, member)
    return np.asarray(jax.jit(partial(outputs, network))(parameters, lane.query.astype(np.float32)))


def together(network: AttackNetwork, some: list[Lane]) -> list[np.ndarray]:
    return [*log_odds(network, PARTS, some, ROWS, QUERIES)]


@networks
def test_networks_trained_together_are_those_trained_one_after_another(network):
    some = lanes(1)
    for got, lane in zip(together(network, some), some, strict=True):
        np.testing.assert_allclose(got, naive(network, lane), rtol=1e-4, atol=1e-5)


@networks
def test_a_network_is_the_same_to_the_bit_whatever_others_are_trained(network):
    some = lanes(LANES["cpu"] + 3)
    every = together(network, some)
    assert [len(answers) for answers in every] == [len(lane.query) for lane in some]
    for chosen in ([0], [5, 2], [*reversed(range(len(some)))]):
        for at, got in zip(chosen, together(network, [some[at] for at in chosen]), strict=True):
            np.testing.assert_array_equal(got, every[at])


def test_the_key_alone_sets_what_is_drawn():
    (lane, *_) = lanes(1)
    first, other, again = together(PLAIN, [lane, lane._replace(key=(4, 0)), lane])
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_members_that_stand_apart_are_told():
    rng = np.random.default_rng(0)
    member = np.arange(ROWS) % 2 == 0
    x = rng.normal(size=(ROWS, 6)) * 0.1 + np.where(member, 1, -1)[:, None]
    (odds,) = log_odds(PLAIN, PARTS, [Lane(x, member, x[:QUERIES], (0, 0))], ROWS, QUERIES)
    np.testing.assert_array_equal(odds > 0, member[:QUERIES])


def test_the_same_features_have_the_same_score_wherever_they_stand():
    (lane, *_) = lanes(1)
    query = np.repeat(lane.query[:1], QUERIES, axis=0)
    query[3] += 1
    (odds,) = together(PLAIN, [lane._replace(query=query)])
    assert len({*odds}) == 2
    assert len({*np.delete(odds, 3)}) == 1


def test_dropout_is_drawn_in_training_alone():
    network = AttackNetwork(joint=(32,), dropout=0.5)
    parameters, x = initial(network, PARTS, jax.random.key(0)), jnp.ones((3, 6))
    asked, trained = (np.asarray(answer(network, PARTS, parameters, x, key)) for key in (None, jax.random.key(1)))
    np.testing.assert_allclose(asked, asked[0])
    assert len({*trained.tolist()}) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"joint": (8, 0)}, "a hidden layer has 0 units: give each at least 1"),
        ({"branches": ((8,), (-1,))}, "a hidden layer has -1 units"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0 and decay 0.0"),
        ({"decay": -1.0}, "decay -1.0"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        AttackNetwork(**settings)

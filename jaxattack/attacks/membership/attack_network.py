"""Attack networks: small perceptrons that tell members by features of answers, many trained by one program.

A lane is one network: its own training rows, its own queries, its own key. Lanes share nothing but the program, which trains
a fixed number of them at a time by vmap and pads the last with copies, so that a network comes out the same to the last bit
whatever other networks are trained. Rows are padded too, and no padding is ever drawn: a step draws its batch with replacement
from the lane's first ``count`` rows, and a lane takes so many steps as its own rows fill batches, epoch for epoch.

Weights start as Glorot and Bengio (2010) have them, biases at 0. The answer is the log odds of membership, before the sigmoid:
it does not saturate, as a confidence of membership would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice, pairwise
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Shaped

from jaxattack.attacks.membership import recurrent
from jaxattack.descent import descend
from jaxattack.types import InputError, at_least, config

LANES = {"cpu": 4}
"""Networks trained at a time: on a CPU more are no faster, and the copies that fill up the last ones cost time."""
ACCELERATED = 256
MEMORY = 2**28
"""Bytes of rows and queries that the networks trained at a time may take."""


@config
class AttackNetwork:
    """How an attack network is built and trained, by Adam.

    Attributes:
        joint: widths of its hidden layers, ReLU; none makes logistic regression.
        recurrent: units of an LSTM that reads the features as a sequence and hands two numbers a unit to the joint layers
            (`jaxattack.attacks.membership.recurrent`); 0 for none.
        per_time: features of each time of the sequence.
        branches: of each part of the features the widths of hidden layers of its own, before the parts are joined; none
            joins them as they are.
        loss: "cross-entropy", or the "squared" error of the confidence of membership.
        dropout: the share of hidden units left out of each step.
        learning_rate: Adam's.
        decay: half of the weight of the squared parameters in the loss.
        epochs: passes over a network's rows; the last one's weights are taken, none is chosen.
        batch: rows of a step.

    Raises:
        InputError: a value out of range.
    """

    joint: tuple[int, ...] = (64,)
    branches: tuple[tuple[int, ...], ...] = ()
    recurrent: int = 0
    per_time: int = 1
    loss: Literal["cross-entropy", "squared"] = "cross-entropy"
    dropout: float = 0.0
    learning_rate: float = 0.003
    decay: float = 0.0
    epochs: int = 50
    batch: int = 100

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, batch=self.batch, per_time=self.per_time)
        at_least(0, recurrent=self.recurrent)
        if self.recurrent and self.branches:
            raise InputError(
                f"recurrent is {self.recurrent} and branches {self.branches}: a sequence has no parts; give one."
            )
        for widths in (self.joint, *self.branches):
            if min(widths, default=1) < 1:
                raise InputError(f"a hidden layer has {min(widths)} units: give each at least 1.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout}: give a share from 0 to below 1.")
        if not (0 < self.learning_rate < np.inf and 0 <= self.decay < np.inf):
            raise InputError(
                f"learning_rate is {self.learning_rate} and decay {self.decay}: give a positive number and one of at least 0."
            )


class Lane(NamedTuple):
    """One attack network to be trained and asked.

    Attributes:
        x: Float["row feature"], its training rows.
        member: Bool["row"], which of them are of members.
        query: Float["query feature"], what it is asked about.
        key: numbers that its random draws depend on.
    """

    x: Float[np.ndarray, "row feature"]
    member: Bool[np.ndarray, "row"]
    query: Float[np.ndarray, "query feature"]
    key: tuple[int, ...]


def log_odds(
    network: AttackNetwork, parts: tuple[int, ...], lanes: Iterable[Lane], rows: int, queries: int
) -> Iterator[Float[np.ndarray, "query"]]:
    """Train a network for each lane and ask it.

    Args:
        network: how each is built and trained.
        parts: how many features each part has, one after another.
        lanes: each with one training row at least; so many as are trained together are taken at a time.
        rows: the most training rows that a lane may have; results depend on it by rounding alone.
        queries: the most queries that a lane may have; likewise.

    Yields:
        For each lane the log odds of membership of its queries, in nats.
    """
    lane_bytes = 4 * sum(parts) * (rows + queries)
    together = max(1, min(LANES.get(jax.default_backend(), ACCELERATED), MEMORY // lane_bytes))
    program = _program(network, parts)
    lanes = iter(lanes)
    while some := [*islice(lanes, together)]:
        # Each distinct query once: the same features must have the same score to the bit, wherever they stand.
        distinct = [np.unique(lane.query, axis=0, return_inverse=True) for lane in some]
        filled = [*range(len(some)), *[0] * (together - len(some))]
        answers = program(
            np.stack([_padded(some[at].x, rows) for at in filled]),
            np.stack([_padded(some[at].member, rows) for at in filled]),
            np.array([len(some[at].x) for at in filled], np.int32),
            np.stack([_padded(distinct[at][0], queries) for at in filled]),
            np.array([some[at].key for at in filled], np.uint32),
        )
        for (_, place), row in zip(distinct, np.asarray(answers, np.float64), strict=False):
            yield row[place.ravel()]


def _padded(values: Shaped[np.ndarray, "row *rest"], rows: int) -> Float[np.ndarray, "padded *rest"]:
    out = np.zeros((rows, *values.shape[1:]), np.float32)
    out[: len(values)] = values
    return out


@cache
def _program(network: AttackNetwork, parts: tuple[int, ...]) -> Callable[..., jax.Array]:
    """The program that trains and asks so many networks as it is handed lanes of."""

    def one(x, member, count, query, numbers):
        def loss(parameters, rows, key):
            value = answer(network, parts, parameters, x[rows], key)
            if network.loss == "squared":
                return jnp.mean((jax.nn.sigmoid(value) - member[rows]) ** 2)
            return optax.sigmoid_binary_cross_entropy(value, member[rows]).mean()

        return answer(network, parts, train_network(network, parts, loss, count, numbers), query, None)

    return jax.jit(jax.vmap(one))


def train_network(
    network: AttackNetwork,
    parts: tuple[int, ...],
    loss: Callable[[Any, jax.Array, jax.Array], jax.Array],
    count: jax.Array,
    numbers: jax.Array,
    outputs: int = 1,
) -> Any:
    """The parameters of one network after its epochs; traced.

    Args:
        network: how it is built and trained; its loss is handed over.
        parts: how many features each part has, one after another.
        loss: of parameters, on a batch's rows, with a key for dropout.
        count: the lane's rows, of which the first so many are drawn.
        numbers: that the random draws depend on.
        outputs: of the network.
    """
    change = optax.chain(optax.add_decayed_weights(network.decay), optax.adam(network.learning_rate))
    key = jax.random.key(0)
    for number in numbers:
        key = jax.random.fold_in(key, number)

    def batch_loss(parameters, number):
        draw, dropped = jax.random.split(jax.random.fold_in(key, number))
        return loss(parameters, jax.random.randint(draw, (network.batch,), 0, count), dropped)

    steps = network.epochs * -(-count // network.batch)
    first = initial(network, parts, jax.random.fold_in(key, 2**32 - 1), outputs)
    return descend(batch_loss, change, first, steps).point


def initial(network: AttackNetwork, parts: tuple[int, ...], key: jax.Array, outputs: int = 1) -> Any:
    """Weights and biases before training: of what is before the joint layers, then of those and the outputs'."""
    draw = jax.nn.initializers.glorot_uniform()
    if network.recurrent:
        layers = recurrent.shapes(network.per_time, network.recurrent)
        own = jax.random.split(jax.random.fold_in(key, 0), len(layers))
        reading = [(draw(k, shape), jnp.zeros(shape[1])) for k, shape in zip(own, layers, strict=True)]
        joint = pairwise((2 * network.recurrent, *network.joint, outputs))
        keys = jax.random.split(jax.random.fold_in(key, 1), len(network.joint) + 1)
        return [reading, [(draw(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, joint, strict=True)]]
    widths = [(part, *hidden) for part, hidden in zip(parts, network.branches, strict=True)] if network.branches else []
    joined = sum(branch[-1] for branch in widths) if widths else sum(parts)
    stacks = [*widths, (joined, *network.joint, outputs)]
    keys = [jax.random.split(jax.random.fold_in(key, place), len(stack)) for place, stack in enumerate(stacks)]
    return [
        [(draw(k, shape), jnp.zeros(shape[1])) for k, shape in zip(own, pairwise(stack), strict=False)]
        for own, stack in zip(keys, stacks, strict=True)
    ]


def answer(
    network: AttackNetwork,
    parts: tuple[int, ...],
    parameters: Any,
    x: Float[jax.Array, "row feature"],
    key: jax.Array | None,
) -> Float[jax.Array, "row"]:
    """The log odds of membership: the one output of a network."""
    return outputs_of(network, parts, parameters, x, key)[:, 0]


def outputs_of(
    network: AttackNetwork,
    parts: tuple[int, ...],
    parameters: Any,
    x: Float[jax.Array, "row feature"],
    key: jax.Array | None,
) -> Float[jax.Array, "row output"]:
    """What a network says of rows; with a key, dropout is drawn from it."""
    places = iter(range(sum(map(len, parameters))))

    def hidden(h: jax.Array, layers: Sequence[tuple[jax.Array, jax.Array]]) -> jax.Array:
        for w, b in layers:
            h, place = jax.nn.relu(h @ w + b[None]), next(places)
            if network.dropout and key is not None:
                left = jax.random.bernoulli(jax.random.fold_in(key, place), 1 - network.dropout, h.shape)
                h = jnp.where(left, h / (1 - network.dropout), 0.0)
        return h

    *branches, joint = parameters
    if network.recurrent:
        x = recurrent.encode(branches[0], x)
    elif branches:
        ends = np.cumsum(parts)[:-1]
        x = jnp.concatenate(
            [hidden(h, own) for h, own in zip(jnp.split(x, ends, axis=1), branches, strict=True)], axis=1
        )
    w, b = joint[-1]
    return hidden(x, joint[:-1]) @ w + b[None]

"""MemGuard (Jia et al., CCS 2019, arXiv 1909.10594): answers moved just so far that a classifier of members is undecided.

The defender learns g, a network 256-128-64-1 on sorted confidences p, to tell its members from a reserve. An answer is
moved in sorted logits z, from log p, by steps of length 0.1 along the gradient of

    |g(softmax z)| + 10 relu(max over others of z - z_label) + c |softmax z - p|_1

(g before its sigmoid), until g has changed sides and the label is kept; c is raised tenfold, 0.1 to 1e5, as long as that
succeeds, and the last success p' is taken. It is answered with probability min(epsilon / |p' - p|_1, 1), else p: a coin
that belongs to the record, so that repetitions tell nothing.

| guarantee | |
| --- | --- |
| the label | never changes |
| the answer | is a confidence vector: not negative, sums to 1 |
| epsilon | bounds the expected distance of each answer in L1 |

g learns as the authors' does, by SGD at rate 1e-3 in 400 passes of batches of 64, each half members and half of the reserve. One
that is trained further falls again towards confidence 1, and the walk ends there: by 400 steps of Adam on all records it left
two thirds of Location-30's members where they were, and the highest confidence an AUC of .81 at epsilon 1.

The reserve is records that the sweep sets aside, members of no model and not scored, where ``reserve`` says how many.
Without it, and in front of one victim, it is half of a model's non-members, drawn by key, on which the audit also measures:
that favours the defence.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, PRNGKeyArray

from jaxattack.defences import by_record, network
from jaxattack.defences.reserve import reserve_weight
from jaxattack.defences.scores import require_confidences
from jaxattack.descent import descend
from jaxattack.types import Access, Answer, Endpoint, InputError, above_zero, at_least, check_reserve, config

WIDTHS = (256, 128, 64, 1)
WEIGHTS = tuple(10.0**power for power in range(-1, 6))
STEPS, LENGTH, KEEP = 300, 0.1, 10.0
UNDECIDED = 1e-5
BATCH = 64
TINY = float(jnp.finfo(jnp.float32).tiny)

Sorted = Float[jax.Array, "query cls"]


@config
class MemGuard:
    """Confidences that a learnt classifier of members cannot decide on; needs confidences of all classes.

    Attributes:
        epsilon: the expected distance of an answer from the model's, in L1, at least 0; 2 is no bound.
        passes: of the classifier over members and reserve, at least 1.
        learning_rate: of the classifier, above 0.
        reserve: the share of all records that a sweep sets aside for it, from 0 to below 1.

    Raises:
        InputError: a value out of range.
    """

    paper = "Jia et al. 2019, arXiv 1909.10594"
    resolution = 0.0
    fresh = False

    epsilon: float = 1.0
    passes: int = 400
    learning_rate: float = 1e-3
    reserve: float = 0.0

    def __post_init__(self) -> None:
        at_least(1, passes=self.passes)
        above_zero(learning_rate=self.learning_rate)
        check_reserve(self.reserve, optional=True)
        if not 0 <= self.epsilon < float("inf"):
            raise InputError(f"epsilon is {self.epsilon}: give a distance from 0.")

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone, the top k, or logits are answered.
        """
        return replace(require_confidences(before, "MemGuard"), decimals=None)

    def fit(self, key: Any, endpoint: Endpoint, y: Any, member: Any) -> Any:  # noqa: ARG002
        """The classifier and the secret of the coins."""
        reserve_key, start_key, coin_key = jax.random.split(key, 3)
        confidences = -jnp.sort(-jnp.asarray(endpoint.answer(endpoint.records()).probability), axis=1)
        reserve = reserve_weight(reserve_key, endpoint, member)
        layers = learn(start_key, confidences, jnp.asarray(member), reserve, self.passes, self.learning_rate)
        return layers, jax.random.bits(coin_key)

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002 (its coins belong to the records)
        """As `jaxattack.types.Defence`; the label stays."""
        layers, salt = state
        p = jnp.asarray(answer.probability)
        is_label = jax.nn.one_hot(jnp.asarray(answer.label), p.shape[1], dtype=bool)
        order = jnp.argsort(jnp.where(is_label, -jnp.inf, -p), axis=1)  # the label is first where others tie with it
        noisy = jnp.take_along_axis(
            undecided(layers, jnp.take_along_axis(p, order, axis=1)), jnp.argsort(order, axis=1), axis=1
        )
        distance = jnp.abs(noisy - p).sum(axis=1)
        coin = by_record.uniform(by_record.hashed(jnp.asarray(x), salt), 1)[:, 0]
        replaced = coin * distance <= self.epsilon if self.epsilon else jnp.zeros(len(p), bool)
        probability: Any = jnp.where(replaced[:, None], noisy, p)
        return Answer(answer.label, probability)


def learn(
    key: PRNGKeyArray,
    confidences: Sorted,
    member: Float[jax.Array, "query"],
    reserve: Float[jax.Array, "query"],
    passes: int,
    learning_rate: float,
) -> Any:
    """The layers of a classifier of members, as the module says.

    Args:
        key: everything random about it.
        confidences: sorted, of all records.
        member: 1 for members.
        reserve: 1 for the reserve.
        passes: over both.
        learning_rate: of SGD.
    """
    start_key, draw_key = jax.random.split(key)
    sides = [(jnp.argsort(-mask), jnp.maximum(mask.sum().astype(jnp.int32), 1)) for mask in (member, reserve)]
    target = jnp.repeat(jnp.asarray([1.0, 0.0], confidences.dtype), BATCH // 2)

    def draw(key, order, count):
        return confidences[order[jax.random.randint(key, (BATCH // 2,), 0, count)]]

    def loss(layers, number):
        keys = jax.random.split(jax.random.fold_in(draw_key, number))
        rows = jnp.concatenate([draw(key, *side) for key, side in zip(keys, sides, strict=True)])
        return optax.sigmoid_binary_cross_entropy(verdict(layers, rows), target).mean()

    steps = passes * -(-(sides[0][1] + sides[1][1]) // BATCH)
    layers = network.start(start_key, (confidences.shape[1], *WIDTHS))
    return descend(loss, optax.sgd(learning_rate), layers, steps).point


def verdict(layers: Any, confidences: Sorted) -> Float[jax.Array, "query"]:
    """The classifier before its sigmoid: above 0 it says member."""
    return network.through(layers, confidences)[:, 0]


def undecided(layers: Any, p: Sorted) -> Sorted:
    """Sorted confidences, the label's first, moved until the classifier changes sides; as they were where it does not."""
    begin = jnp.log(jnp.maximum(p, TINY))
    side = verdict(layers, p)

    def loss(z, weight):
        q = jax.nn.softmax(z)
        hinge = KEEP * jax.nn.relu(z[:, 1:].max(axis=1) - z[:, 0])
        return jnp.sum(jnp.abs(verdict(layers, q)) + hinge + weight * jnp.abs(q - p).sum(axis=1))

    def arrived(z):
        return (verdict(layers, jax.nn.softmax(z)) * side <= 0) & (z[:, 0] >= z[:, 1:].max(axis=1))

    def walk(weight):
        def step(state):
            z, success, number = state
            slope = jax.grad(loss)(z, weight)
            slope = slope / jnp.maximum(jnp.linalg.norm(slope, axis=1, keepdims=True), TINY)
            z = jnp.where(success[:, None], z, z - LENGTH * slope)
            return z, success | arrived(z), number + 1

        def goes_on(state):
            return ~state[1].all() & (state[2] < STEPS)

        z, success, _ = jax.lax.while_loop(goes_on, step, (begin, jnp.zeros(len(p), bool), 0))
        return z, success

    def harder(state, weight):
        best, trying = state
        z, success = walk(weight)
        trying = trying & success
        return (jnp.where(trying[:, None], z, best), trying), None

    unsure = jnp.abs(jax.nn.sigmoid(side) - 0.5) > UNDECIDED
    (z, _), _ = jax.lax.scan(harder, (begin, unsure), jnp.asarray(WEIGHTS))
    changed = jnp.abs(z - begin).max(axis=1, keepdims=True) > 0
    return jnp.where(changed, jax.nn.softmax(z), p)

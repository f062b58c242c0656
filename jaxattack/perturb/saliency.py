"""Two features at a time, those that a saliency map picks (JSMA, Papernot et al. 2016, arXiv 1511.07528, Algorithm 3).

Toward a class t, of all pairs p, q with alpha > 0 > beta the one of the largest -alpha beta:

    alpha = dz_t/dx_p + dz_t/dx_q        beta = sum_{j!=t} dz_j/dx_p + dz_j/dx_q

Both features move by theta and leave the search where they reach the edge of the box. With a negative theta the signs turn.
The slopes are of logits, as in the paper: those of confidences are too small where a model is sure.

-alpha beta grows with alpha and with -beta, so that both features of the best pair are among those that no other beats in both
slopes. Up to `ALL` features every pair is tried. Beyond, pairs of candidates are: for each of `DIRECTIONS` weights between the two
slopes the `EACH` highest features.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.ascent import Ascent, ascend, likeliest_others, repeated
from jaxattack.perturb.norms import per_record
from jaxattack.types import Inputs, Model, Variables

ALL, DIRECTIONS, EACH = 1024, 9, 32
"""Features of which every pair is tried, and the candidates of more: in 180 of 180 draws of 3,072
normal slopes, correlated by -.9, 0 and .9, the pair is the best of all."""

_TINY = 1e-30


def saliency_steps(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    *,
    theta: float,
    steps: int,
    targets: int,
) -> Ascent:
    """Records with few features changed, toward the target that another label is nearest to.

    Args:
        model: with gradients.
        variables: of the model.
        x: records.
        y: the labels to move away from.
        inputs: the range to stay in; categories stay as they are.
        theta: the change of a feature, as a share of its range; negative to lower it.
        steps: pairs that are changed, at most.
        targets: the likeliest other classes; the first that is through decides.
    """

    def program(x, y, number, box, free):  # noqa: ARG001 (nothing is random)
        return _saliency(model, targets, variables, x, y, box, free, theta, steps)

    return ascend(program, x, y, inputs, targets, None)


@partial(jax.jit, static_argnames=("model", "targets"))
def _saliency(model, targets, variables, x, y, box, free, theta, steps):
    low, high, span = (part[None] for part in box)
    low, high = low / span, high / span
    target = likeliest_others(model, variables, x, y, targets).reshape(-1)
    start, label, count = repeated(x / span, targets), repeated(y, targets), len(x)
    rows, sign = jnp.arange(len(start))[:, None], jnp.sign(theta)

    def slopes(share):
        z, pull = jax.vjp(lambda share: model.apply(variables, share * span), share)
        mine = jax.nn.one_hot(target, z.shape[1], dtype=z.dtype)
        toward, others = (pull(weight)[0].reshape(len(share), -1) for weight in (mine, 1 - mine))
        return z.argmax(axis=1) != label, sign * toward, -sign * others

    def through(reached):
        return repeated(reached.reshape(targets, count).any(axis=0), targets)

    def step(state):
        number, share, reached, stuck, gradients = state
        fooled, toward, away = slopes(share)
        reached = reached | fooled
        room = jnp.where(sign > 0, share < high, share > low) & (free[None] > 0)
        pair, score = best_pair(toward, away, room.reshape(len(share), -1))
        going = ~through(reached)
        stuck = stuck | (going & ~(score > 0))
        moved = share.reshape(len(share), -1).at[rows, pair].add(theta).reshape(share.shape)
        moves = going & ~stuck & (number < steps)
        share = jnp.where(per_record(moves, share), jnp.clip(moved, low, high), share)
        return number + 1, share, reached, stuck, gradients + going.reshape(targets, count)[0].astype(jnp.int32)

    def unfinished(state):
        number, _, reached, stuck, _ = state
        return (number <= steps) & ~(through(reached) | stuck).all()

    nothing = jnp.zeros(len(start), bool)
    state = (0, start, nothing, nothing, jnp.zeros(count, jnp.int32))
    _, share, reached, _, gradients = jax.lax.while_loop(unfinished, step, state)
    reached = reached.reshape(targets, count)
    share = share.reshape(targets, count, *x.shape[1:])[reached.argmax(axis=0), jnp.arange(count)]
    return share, reached.any(axis=0), 2 * targets * gradients, jnp.zeros(count, bool)


def best_pair(
    toward: Float[jax.Array, "row feature"], away: Float[jax.Array, "row feature"], room: Bool[jax.Array, "row feature"]
) -> tuple[Int[jax.Array, "row 2"], Float[jax.Array, "row"]]:
    """The pair of features with the largest product of the sums of their slopes, both sums above 0.

    Args:
        toward: the slope of the target's logit; raising it is meant.
        away: less the slope of the sum of the others; raising it is meant.
        room: whether a feature may move.

    Returns:
        The pair, and its product; -infinity where there is no such pair.
    """
    rows, features = toward.shape
    if features <= ALL:
        candidate = jnp.broadcast_to(jnp.arange(features), (rows, features))
    else:
        candidate = _candidates(toward, away, room)
    toward, away, room = (jnp.take_along_axis(part, candidate, axis=1) for part in (toward, away, room))

    def beside(p):
        first = p[:, None]
        a, u = (part + jnp.take_along_axis(part, first, axis=1) for part in (toward, away))
        other = candidate != jnp.take_along_axis(candidate, first, axis=1)
        valid = room & jnp.take_along_axis(room, first, axis=1) & other & (a > 0) & (u > 0)
        product = jnp.where(valid, a * u, -jnp.inf)
        return product.max(axis=1), product.argmax(axis=1)

    every = jnp.broadcast_to(jnp.arange(candidate.shape[1])[:, None], (candidate.shape[1], rows))
    product, partner = jax.lax.map(beside, every)
    p = product.argmax(axis=0)
    q = jnp.take_along_axis(partner, p[None], axis=0)[0]
    return jnp.take_along_axis(candidate, jnp.stack([p, q], axis=1), axis=1), product.max(axis=0)


def _candidates(toward: jax.Array, away: jax.Array, room: jax.Array) -> Int[jax.Array, "row candidate"]:
    """The features that are highest by some weight between the two slopes; one may be there more than once."""
    scaled = [part / jnp.maximum(jnp.abs(part).max(axis=1, keepdims=True), _TINY) for part in (toward, away)]

    def highest(weight):
        return jax.lax.top_k(jnp.where(room, weight * scaled[0] + (1 - weight) * scaled[1], -jnp.inf), EACH)[1]

    picks = jax.lax.map(highest, jnp.linspace(0.0, 1.0, DIRECTIONS))
    return jnp.moveaxis(picks, 0, 1).reshape(len(toward), -1)

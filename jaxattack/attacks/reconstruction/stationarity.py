"""The point where the training of a homogeneous network ends, and candidates for the records that span it.

`jaxattack.attacks.reconstruction.kkt` says what is sought; this is how: the residual, what a run is drawn from, and the
descent of all runs in one program.
"""

from __future__ import annotations

from functools import partial
from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Key, PRNGKeyArray

from jaxattack.descent import advance, begin
from jaxattack.models.homogeneous import margin


@jax.custom_jvp
def smoothed(z: jax.Array, alpha: jax.Array) -> jax.Array:
    """max(z, 0), whose derivative is taken as sigmoid(alpha z)."""
    del alpha
    return jax.nn.relu(z)


@smoothed.defjvp
def _smoothed_jvp(at, along):
    z, alpha = at
    return smoothed(z, alpha), along[0] * jax.nn.sigmoid(alpha * z)


class Run(NamedTuple):
    """What one run is drawn to be.

    Attributes:
        margin: that the unit of lambda supposes.
        least: the smallest lambda that is not punished, in that unit.
        rate: of Adam for records, relative to their range.
        multiplier_rate: of Adam for lambda.
        spread: of the random start, relative to half the range.
        alpha: how steep the smoothed steps are.
    """

    margin: Any
    least: Any
    rate: Any
    multiplier_rate: Any
    spread: Any
    alpha: Any


RANGES = Run(
    margin=(2.0, 30.0),
    least=(0.01, 0.5),
    rate=(1e-3, 3e-2),
    multiplier_rate=(1e-3, 1e-1),
    spread=(3e-2, 1.0),
    alpha=(10.0, 200.0),
)
"""What runs are drawn from, evenly in the logarithm."""


def draw_run(key: PRNGKeyArray) -> Run:
    """The hyper-parameters of one run."""
    keys = jax.random.split(key, len(RANGES))
    return Run(
        *(
            jnp.exp(jax.random.uniform(one, minval=log(low), maxval=log(high)))
            for one, (low, high) in zip(keys, RANGES, strict=True)
        )
    )


class Point(NamedTuple):
    """What a run changes: records as shares of half the range about its middle, and lambda in its unit."""

    x: Any
    multiplier: Any


def _square(tree: Any) -> jax.Array:
    return sum((jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree)), jnp.float32(0))


def residual(
    params: Any,
    x: Float[jax.Array, "candidate feature"],
    multiplier: Float[jax.Array, "candidate"],
    sign: Float[jax.Array, "candidate"],
    alpha: Float[jax.Array, ""],
) -> Float[jax.Array, ""]:
    """|theta - sum_i lambda_i y_i grad Phi(x_i)|^2 / |theta|^2, with smoothed steps.

    Args:
        params: theta.
        x: x_i.
        multiplier: lambda_i.
        sign: y_i, -1 or 1.
        alpha: how steep the steps are.
    """
    # The gradient of the weighted sum is the weighted sum of gradients: no gradient of a single record is kept.
    combined = jax.grad(lambda theta: jnp.sum(multiplier * sign * margin(theta, x, lambda z: smoothed(z, alpha))))(
        params
    )
    return _square(jax.tree.map(jnp.subtract, params, combined)) / _square(params)


def _seek(candidates: int, steps: int, params: Any, key: jax.Array, low: jax.Array, high: jax.Array):
    """One run: its candidates with the smallest objective met, their residual, and what the run was."""
    run = draw_run(jax.random.fold_in(key, 0))
    layers, middle, half = len(params["kernels"]), (low + high) / 2, (high - low) / 2
    unit = _square(params) / (layers * candidates * run.margin)
    sign = 2.0 * jnp.float32(jnp.arange(candidates) % 2) - 1
    features = params["kernels"][0].shape[0]
    start = jax.random.normal(jax.random.fold_in(key, 1), (candidates, features)) * run.spread
    fall = optax.cosine_decay_schedule(1.0, steps)

    def backwards(update: Any, _: Any) -> Point:
        return Point(-run.rate * update.x, -run.multiplier_rate * update.multiplier)

    change = optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(fall), optax.stateless(backwards))

    def error(at):
        return residual(params, middle + half * at.x, unit * at.multiplier, sign, run.alpha)

    def objective(at):
        outside = jnp.mean(jnp.maximum(jnp.abs(at.x) - 1, 0) ** 2)
        return error(at) + jnp.sum(jnp.maximum(run.least - at.multiplier, 0) ** 2) + outside

    lane = begin(change, Point(start[None], jnp.ones((1, candidates))))
    lane = advance(jax.vmap(objective), change, lane, until=steps, enough=-jnp.inf, patience=steps)
    end = jax.tree.map(lambda leaf: leaf[0], lane.best)
    return middle + half * end.x, unit * end.multiplier, jnp.where(lane.cost[0] < jnp.inf, error(end), jnp.nan), run


class Ends(NamedTuple):
    """Where runs ended.

    Attributes:
        x: Float["run candidate *feature"], in the units of a record.
        multiplier: Float["run candidate"], lambda.
        residual: Float["run"].
        runs: what each was drawn to be.
    """

    x: Any
    multiplier: Any
    residual: Any
    runs: Run


@partial(jax.jit, static_argnames=("candidates", "steps", "batch"))
def sweep(
    candidates: int, steps: int, batch: int, params: Any, keys: Key[jax.Array, "run"], low: jax.Array, high: jax.Array
) -> Ends:
    """All runs, so many of them side by side.

    Args:
        candidates: records sought in each.
        steps: of each.
        batch: runs side by side.
        params: theta.
        keys: one a run.
        low: the smallest number in a record.
        high: the largest.
    """
    one = partial(_seek, candidates, steps, params, low=low, high=high)
    return Ends(*jax.lax.map(one, keys, batch_size=batch))

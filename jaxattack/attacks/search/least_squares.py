"""Non-linear least squares: Levenberg-Marquardt (More 1978), and many starts that lead to it.

`levenberg_marquardt` is the method itself, for any residual that comes with J^T J and J^T r. `polish` runs it on a residual
of JAX, whose Jacobian is made a block of queries at a time, in float64; near a solution that fits exactly it converges
quadratically. `descend` takes many starts at once, in float32, down to where second-order steps work: alone, either ends
far from the victim.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.linalg
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from jaxattack.descent import advance, begin
from jaxattack.types import Progress

Parameters = Mapping[str, Any]
Residual = Callable[..., jax.Array]
"""Parameters and one query's x, target and weight -> its residuals; hashable, so that it is compiled once."""

BLOCK = 2**23
"""Numbers in a block of the Jacobian: 64 MiB."""

FINALISTS, DESCENT, RATE = 3, 1500, 3e-2
"""Starts that are polished at most; steps of Adam before that, and its first learning rate, which falls to 0 as a cosine.

Of 48 networks of one hidden layer, 4 to 8 features and 3 to 8 units, 26 come out exact from 8 starts: 21 with one finalist, 27 with 6
in three fifths more steps; 24 with half of Adam's steps, 26 with twice; 17, 22, 27 and 25 at rates of .003, .01, .06 and .1. Of 10 that scikit-learn
trained 1, and 1, 0 at .01 and .06.
"""

STALLED, STALL, SETTLED = 10, 0.99, 1e-7
"""A search ends where so many steps gain less than 1% each, together, or one gains less than SETTLED.

Without the first, 24 fits of four small networks took 1,850 steps and not 1,205; 15 rather than 13 ended exact. Without the second
as many of the 48 do, in an eighth more steps.
"""

FALL, RISE = 5.0, 4.0
"""Damping falls by this after each step, and rises until a step lessens the squares.

Of the 48, descended from at a rate of .01, as many are exact with half and twice of each: in 4% more steps and 17% fewer trials of one,
4% and 27% more; in 1% fewer and half more, 18% more and as many.
"""

LEAST, MOST = 1e-14, 1e10
"""Between which damping stays, as a multiple of the diagonal: 45 roundings, and what leaves a step none of ten digits.

Of a diagonal, what is less than the first of its largest entry counts as that.
"""


class Linearised(NamedTuple):
    """Of residuals r around a point and their derivative J: J^T J, J^T r and r^T r."""

    normal: Float[np.ndarray, "unknown unknown"]
    gradient: Float[np.ndarray, "unknown"]
    squares: float


class Minimum(NamedTuple):
    """Where Levenberg-Marquardt ended, and the residuals there."""

    theta: Float[np.ndarray, "unknown"]
    at: Linearised


class Data(NamedTuple):
    """Equations: queries, what the victim answered, and what each counts for."""

    x: Float[np.ndarray, "query feature"]
    target: Float[np.ndarray, "query cls"]
    weight: Float[np.ndarray, "query"]


class Fit(NamedTuple):
    """What a fit ended with: parameters by name, and the root mean square of the residuals."""

    parameters: dict[str, np.ndarray]
    rms: float


def levenberg_marquardt(
    linearise: Callable[[np.ndarray], Linearised],
    squares: Callable[[np.ndarray], float],
    start: Float[np.ndarray, "unknown"],
    *,
    enough: float = 0.0,
    steps: int = 60,
    damping: float = 1e-3,
    patience: int = STALLED,
) -> Minimum:
    """Steps along (J^T J + damping diag(J^T J))^-1 J^T r for as long as they lessen the squares.

    Args:
        linearise: theta -> residuals and their derivative.
        squares: theta -> r^T r alone, infinite or NaN where there is none.
        start: theta.
        enough: squares at which to stop.
        steps: at most. Of 12 smooth networks 10 are complete with half and twice too, of the 24 regressions of `ovr` all with 60, 200, 400.
        damping: of the first step; less for a start that is near. Otherwise 1e-3 (Madsen, Nielsen and Tingleff 2004): ten times
            less or more are ln 10 / ln RISE = 1.7 trials or ln 10 / ln FALL = 1.4 steps.
        patience: steps that must gain 1% each, together.
    """
    theta, now = start, linearise(start)
    history = [now.squares]
    while len(history) <= steps and now.squares > enough:
        step = _step(now, damping)
        while damping < MOST and not squares(theta - step) < now.squares:
            damping = max(RISE * damping, LEAST)
            step = _step(now, damping)
        if damping >= MOST:
            break
        theta = theta - step
        now = linearise(theta)
        history.append(now.squares)
        if now.squares > (1 - SETTLED) * history[-2]:
            break
        if len(history) > patience and now.squares > STALL**patience * history[-1 - patience]:
            break
        damping = max(damping / FALL, LEAST)
    return Minimum(theta, now)


def _step(now: Linearised, damping: float) -> Float[np.ndarray, "unknown"]:
    """(J^T J + damping diag(J^T J))^-1 J^T r, solved at a diagonal of 1; none where that is singular."""
    diagonal = np.diagonal(now.normal)
    scale = 1 / np.sqrt(np.maximum(diagonal, max(LEAST * diagonal.max(), np.finfo(float).tiny)))
    try:
        factor = scipy.linalg.cho_factor(now.normal * scale[:, None] * scale + damping * np.eye(len(scale)))
    except ValueError:  # no number, or not positive definite
        return np.zeros_like(now.gradient)
    return scale * scipy.linalg.cho_solve(factor, scale * now.gradient, check_finite=False)


def polish(
    residual: Residual, start: Parameters, data: Data, *, tolerance: float, steps: int = 60, damping: float = 1e-3
) -> Fit:
    """Levenberg-Marquardt on a residual of JAX, from one start.

    Args:
        residual: of one query.
        start: parameters.
        data: equations.
        tolerance: stop at this root mean square of residuals.
        steps: at most.
        damping: of the first step.
    """
    with jax.enable_x64(True):
        theta, restore = ravel_pytree({name: jnp.asarray(value, float) for name, value in start.items()})
        numbers = theta.size * data.target.size
        # A block of the Jacobian at a time: together they may not fit into memory.
        parts = (np.array_split(part, -(-numbers // BLOCK)) for part in data)
        blocks = [Data(*part) for part in zip(*parts, strict=True)]

        def linearise(theta: np.ndarray) -> Linearised:
            products = []
            for block in blocks:
                value, jacobian = map(np.asarray, _with_jacobian(residual, restore, theta, block))
                products.append((jacobian.T @ jacobian, jacobian.T @ value, float(value @ value)))
            return Linearised(*(reduce(operator.add, each) for each in zip(*products, strict=True)))

        def squares(theta: np.ndarray) -> float:
            return sum(float(np.sum(np.asarray(_values(residual, restore, theta, block)) ** 2)) for block in blocks)

        end = levenberg_marquardt(
            linearise, squares, np.asarray(theta), enough=tolerance**2 * data.target.size, steps=steps, damping=damping
        )
        parameters = {name: np.asarray(value) for name, value in restore(jnp.asarray(end.theta)).items()}
        return Fit(parameters, (end.at.squares / data.target.size) ** 0.5)


def descend(residual: Residual, starts: Parameters, data: Data, *, tolerance: float) -> list[dict[str, np.ndarray]]:
    """The best parameters of every start by Adam, in float32, best start first.

    Args:
        residual: of one query.
        starts: every array leads with the axis start.
        data: equations.
        tolerance: of the root mean square of residuals, where a start stops.
    """
    single = [{k: np.asarray(v, np.float32) for k, v in part.items()} for part in (starts, data._asdict())]
    parameters, loss = _descend(residual, DESCENT, *single, np.float32(tolerance))
    order = np.argsort(np.asarray(loss), kind="stable")
    return [{name: np.asarray(value[at], np.float64) for name, value in parameters.items()} for at in order]


@partial(jax.jit, static_argnames=("residual", "steps"))
def _descend(residual, steps, starts, data, tolerance):
    def loss(parameters):
        each = jax.vmap(partial(residual, parameters))(data["x"], data["target"], data["weight"])
        return jnp.mean(each**2)

    adam = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    lanes = advance(jax.vmap(loss), adam, begin(adam, starts), until=steps, enough=tolerance**2, patience=steps)
    return lanes.best, lanes.cost


def fit(residual: Residual, starts: Parameters, data: Data, *, tolerance: float, progress: Progress) -> Fit:
    """Descend from many starts, then polish the best of them in turn until one fits.

    Args:
        residual: of one query.
        starts: every array leads with the axis start.
        data: equations.
        tolerance: a fit has at most this root mean square of residuals.
        progress: told of both stages.
    """
    progress("descend from many starts", 0, 2)
    ranked = descend(residual, starts, data, tolerance=tolerance)[:FINALISTS]
    progress("polish", 1, 2)
    best = first_fit(residual, ranked, data, tolerance=tolerance)
    progress("polish", 2, 2)
    return best


def first_fit(residual: Residual, starts: Sequence[Parameters], data: Data, *, tolerance: float) -> Fit:
    """Polish starts in turn until one fits: that, or the best.

    Args:
        residual: of one query.
        starts: one or more.
        data: equations.
        tolerance: a fit has at most this root mean square of residuals.
    """
    fits: list[Fit] = []
    for start in starts:
        fits.append(polish(residual, start, data, tolerance=tolerance))
        if fits[-1].rms <= tolerance:
            break
    return min(fits, key=lambda one: one.rms)


@partial(jax.jit, static_argnums=(0, 1))
def _values(residual, restore, theta, data):
    return jax.vmap(partial(residual, restore(theta)))(*data).ravel()


@partial(jax.jit, static_argnums=(0, 1))
def _with_jacobian(residual, restore, theta, data):
    jacobian = jax.vmap(jax.jacrev(lambda theta, *query: residual(restore(theta), *query)), (None, 0, 0, 0))(
        theta, *data
    )
    return _values(residual, restore, theta, data), jacobian.reshape(-1, theta.size)

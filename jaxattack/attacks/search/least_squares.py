"""Non-linear least squares: Levenberg-Marquardt (More 1978), and many starts that lead to it.

`levenberg_marquardt` is the method itself, for any residual that comes with J^T J and J^T r. `polish` runs it on a residual
of JAX, whose Jacobian is made a block of queries at a time, in float64; near a solution that fits exactly it converges
quadratically. `descend` takes many starts at once, in float32, down to where second-order steps work: alone, either ends
far from the victim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
"""Numbers in a block of the Jacobian."""

PATIENCE, IMPROVES = 300, 0.99
STALLED, STALL = 10, 0.99
"""So many steps that gain less than this each, together, are enough of them; one that gains less than SETTLED is."""

SETTLED = 1e-7
QUICK, FAST, SLOW, HARDER = 1e-2, 1000.0, 5.0, 4.0
"""Damping falls by FAST after a step that leaves less than QUICK of the squares, else by SLOW; it grows by HARDER."""

LEAST, MOST = 1e-14, 1e10
"""Between which damping stays, as a multiple of the diagonal."""


class Linearised(NamedTuple):
    """Residuals r around a point, with J their derivative.

    Attributes:
        normal: Float["unknown unknown"], J^T J.
        gradient: Float["unknown"], J^T r.
        squares: r^T r.
    """

    normal: Float[np.ndarray, "unknown unknown"]
    gradient: Float[np.ndarray, "unknown"]
    squares: float


class Minimum(NamedTuple):
    """Where Levenberg-Marquardt ended.

    Attributes:
        theta: Float["unknown"].
        at: the residuals there.
        steps: taken.
    """

    theta: Float[np.ndarray, "unknown"]
    at: Linearised
    steps: int


class Data(NamedTuple):
    """Equations.

    Attributes:
        x: Float["query feature"].
        target: Float["query cls"], what the victim answered.
        weight: Float["query"].
    """

    x: Float[np.ndarray, "query feature"]
    target: Float[np.ndarray, "query cls"]
    weight: Float[np.ndarray, "query"]


class Fit(NamedTuple):
    """What a fit ended with.

    Attributes:
        parameters: by name.
        rms: root mean square of the residuals.
        steps: taken by Levenberg-Marquardt.
    """

    parameters: dict[str, np.ndarray]
    rms: float
    steps: int


def levenberg_marquardt(
    linearise: Callable[[np.ndarray], Linearised],
    squares: Callable[[np.ndarray], float],
    start: Float[np.ndarray, "unknown"],
    *,
    enough: float = 0.0,
    steps: int = 60,
    damping: float = 1e-3,
) -> Minimum:
    """Steps along (J^T J + damping diag(J^T J))^-1 J^T r for as long as they lessen the squares.

    Args:
        linearise: theta -> residuals and their derivative.
        squares: theta -> r^T r alone, infinite or NaN where there is none.
        start: theta.
        enough: squares at which to stop.
        steps: at most.
        damping: of the first step; less for a start that is near.
    """
    theta, now = start, linearise(start)
    history = [now.squares]
    while len(history) <= steps and now.squares > enough:
        step = solve_damped(now.normal, now.gradient, damping)
        while damping < MOST and not squares(theta - step) < now.squares:
            damping = max(HARDER * damping, LEAST)
            step = solve_damped(now.normal, now.gradient, damping)
        if damping >= MOST:
            break
        theta = theta - step
        now = linearise(theta)
        history.append(now.squares)
        if now.squares > (1 - SETTLED) * history[-2]:
            break
        if len(history) > STALLED and now.squares > STALL**STALLED * history[-1 - STALLED]:
            break
        damping = max(damping / (FAST if now.squares < QUICK * history[-2] else SLOW), LEAST)
    return Minimum(theta, now, len(history) - 1)


def solve_damped(
    normal: Float[np.ndarray, "unknown unknown"], right: Float[np.ndarray, "unknown"], damping: float
) -> Float[np.ndarray, "unknown"]:
    """(normal + damping diag(normal))^-1 right, scaled to a diagonal of 1; damped more where that is singular."""
    diagonal = np.diagonal(normal)
    scale = 1 / np.sqrt(np.maximum(diagonal, max(1e-14 * diagonal.max(), np.finfo(float).tiny)))
    scaled = normal * scale[:, None] * scale
    while damping < MOST:
        try:
            factor = scipy.linalg.cho_factor(scaled + damping * np.eye(len(scaled)), check_finite=False)
            return scale * scipy.linalg.cho_solve(factor, scale * right, check_finite=False)
        except np.linalg.LinAlgError:
            damping = max(10 * damping, LEAST)
    return np.zeros_like(right)  # no sum of squares has such a matrix: no step


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
        blocks, count = _blocks(data, theta.size), data.target.size
        end = levenberg_marquardt(
            lambda theta: _linearised(residual, restore(jnp.asarray(theta)), blocks),
            lambda theta: _squares(residual, restore(jnp.asarray(theta)), blocks),
            np.asarray(theta),
            enough=tolerance**2 * count,
            steps=steps,
            damping=damping,
        )
        parameters = {name: np.asarray(value) for name, value in restore(jnp.asarray(end.theta)).items()}
        return Fit(parameters, (end.at.squares / count) ** 0.5, end.steps)


def descend(
    residual: Residual, starts: Parameters, data: Data, *, steps: int, tolerance: float, rate: float = 1e-2
) -> list[dict[str, np.ndarray]]:
    """The best parameters of every start by Adam, in float32, best start first.

    Args:
        residual: of one query.
        starts: every array leads with the axis start.
        data: equations.
        steps: at most; a start stops earlier where it fits or no longer improves.
        tolerance: of the root mean square of residuals, where a start stops.
        rate: the first learning rate; it falls to 0 as a cosine.
    """
    single = [{k: np.asarray(v, np.float32) for k, v in part.items()} for part in (starts, data._asdict())]
    parameters, loss = _descend(residual, steps, *single, np.float32(tolerance), np.float32(rate))
    order = np.argsort(np.asarray(loss), kind="stable")
    return [{name: np.asarray(value[at], np.float64) for name, value in parameters.items()} for at in order]


@partial(jax.jit, static_argnames=("residual", "steps"))
def _descend(residual, steps, starts, data, tolerance, rate):
    def loss(parameters):
        each = jax.vmap(partial(residual, parameters))(data["x"], data["target"], data["weight"])
        return jnp.mean(each**2)

    adam = optax.adam(optax.cosine_decay_schedule(rate, steps))
    lanes = advance(
        jax.vmap(loss),
        adam,
        begin(adam, starts),
        until=steps,
        enough=tolerance**2,
        patience=PATIENCE,
        improves=IMPROVES,
    )
    return lanes.best, lanes.cost


def fit(
    residual: Residual,
    starts: Parameters,
    data: Data,
    *,
    tolerance: float,
    finalists: int = 3,
    descent: int = 1500,
    steps: int = 60,
    progress: Progress | None = None,
) -> Fit:
    """Descend from many starts, then polish the best of them in turn until one fits.

    Args:
        residual: of one query.
        starts: every array leads with the axis start.
        data: equations.
        tolerance: a fit has at most this root mean square of residuals.
        finalists: how many are polished at most.
        descent: first-order steps.
        steps: of each polishing.
        progress: told of each stage.
    """
    report = progress or (lambda *_: None)
    report("descend from many starts", 0, 1)
    ranked = descend(residual, starts, data, steps=descent, tolerance=tolerance)[:finalists]
    best = first_fit(residual, ranked, data, tolerance=tolerance, steps=steps, report=report)
    report("polish", finalists, finalists)
    return best


def first_fit(
    residual: Residual,
    starts: Sequence[Parameters],
    data: Data,
    *,
    tolerance: float,
    enough: float = 1.0,
    steps: int = 60,
    report: Progress = lambda *_: None,
) -> Fit:
    """Polish starts in turn until one fits: that, or the best.

    Args:
        residual: of one query.
        starts: one or more.
        data: equations.
        tolerance: of the root mean square of residuals, where polishing stops.
        enough: so many tolerances are a fit.
        steps: of each polishing.
        report: told of each.
    """
    fits: list[Fit] = []
    for number, start in enumerate(starts):
        report("polish", number, len(starts))
        fits.append(polish(residual, start, data, tolerance=tolerance, steps=steps))
        if fits[-1].rms <= enough * tolerance:
            break
    return min(fits, key=lambda one: one.rms)


def _blocks(data: Data, unknowns: int) -> list[Data]:
    """Blocks of one length, the last filled up with queries of weight 0."""
    rows = max(BLOCK // (unknowns * data.target.shape[1]), 1)
    count = -(-len(data.x) // rows)
    rows = -(-len(data.x) // count)
    short = count * rows - len(data.x)
    x, target = (np.concatenate([part, np.repeat(part[:1], short, axis=0)]) for part in data[:2])
    weight = np.concatenate([data.weight, np.zeros(short)])
    return [Data(*(part[at : at + rows] for part in (x, target, weight))) for at in range(0, count * rows, rows)]


def _linearised(residual: Residual, parameters: Parameters, blocks: Sequence[Data]) -> Linearised:
    total: Any = (0.0, 0.0, 0.0)
    for block in blocks:  # a Jacobian at a time: together they may not fit into memory
        value, jacobian = map(np.asarray, _with_jacobian(residual, parameters, *block))
        part = jacobian.T @ jacobian, jacobian.T @ value, float(value @ value)
        total = tuple(a + b for a, b in zip(total, part, strict=True))
    return Linearised(*total)


def _squares(residual: Residual, parameters: Parameters, blocks: Sequence[Data]) -> float:
    return sum(float(np.sum(np.asarray(_values(residual, parameters, *block)) ** 2)) for block in blocks)


@partial(jax.jit, static_argnums=0)
def _values(residual, parameters, x, target, weight):
    return jax.vmap(partial(residual, parameters))(x, target, weight).ravel()


@partial(jax.jit, static_argnums=0)
def _with_jacobian(residual, parameters, x, target, weight):
    flat, restore = ravel_pytree(parameters)

    def one(theta, *query):
        return residual(restore(theta), *query)

    jacobian = jax.vmap(jax.jacrev(one), (None, 0, 0, 0))(flat, x, target, weight)
    return _values(residual, parameters, x, target, weight), jacobian.reshape(-1, flat.size)

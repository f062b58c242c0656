"""Non-linear least squares for parameters: many starts first, then Levenberg-Marquardt on the best of them.

The residual of one query is its weight times the equations, (logits(theta, x) - score) basis.

1. `descend`: Adam from many starts at once, float32, one compiled program (`jax.vmap` over starts). Every start keeps
   its best parameters and stops by itself, when it fits or no longer improves.
2. `polish`: Levenberg-Marquardt (More 1978), float64. JAX gives the Jacobian a block of queries at a time; the normal
   equations are summed and solved by LAPACK, damped by multiples of their diagonal, which also settles directions that
   no answer depends on. Near a solution that fits exactly it converges quadratically.

First-order steps find the basin, second-order steps its bottom: alone, either ends far from the victim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.linalg
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from jaxattack.attacks.extraction.equations.families import Logits
from jaxattack.types import Progress

Parameters = Mapping[str, Any]
Residual = Callable[..., jax.Array]
"""Parameters and one query's x, target and weight -> its residuals; hashable, so that it is compiled once."""

BLOCK = 2**23
"""Numbers in a block of the Jacobian."""

PATIENCE, IMPROVES = 300, 0.99
STALLED, STALL = 10, 0.99
QUICK, FAST, SLOW = 1e-2, 1000.0, 5.0
"""Damping falls by a factor of FAST after a step that leaves less than QUICK of the squares, and of SLOW otherwise."""


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


@cache
def score_residual(logits: Logits, level: str, classes: int) -> Residual:
    """Weight times the equations of scores, as in `terms.equations`."""
    basis = np.eye(classes) if level == "logit" else scipy.linalg.helmert(classes).T

    def residual(parameters: Parameters, x: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
        return weight * ((logits(parameters, x[None])[0] - target) @ basis.astype(x.dtype))

    return residual


@cache
def probability_residual(logits: Logits) -> Residual:
    """Weight times the difference between the probabilities; the targets are probabilities."""

    def residual(parameters: Parameters, x: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
        return weight * (jax.nn.softmax(logits(parameters, x[None])[0]) - target)

    return residual


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
    ranked = descend(residual, starts, data, steps=descent, tolerance=tolerance)
    best: Fit | None = None
    for number, start in enumerate(ranked[:finalists]):
        report("polish", number, finalists)
        candidate = polish(residual, start, data, tolerance=tolerance, steps=steps)
        if best is None or candidate.rms < best.rms:
            best = candidate
        if best.rms <= tolerance:
            break
    report("polish", finalists, finalists)
    assert best is not None
    return best


def descend(
    residual: Residual, starts: Parameters, data: Data, *, steps: int, tolerance: float, rate: float = 1e-2
) -> list[dict[str, np.ndarray]]:
    """The best parameters of every start, in float64, best start first.

    Args:
        residual: of one query.
        starts: every array leads with the axis start.
        data: equations.
        steps: at most.
        tolerance: of the root mean square of residuals, where a start stops.
        rate: the first learning rate; it falls to 0 as a cosine.
    """
    single = [{k: np.asarray(v, np.float32) for k, v in part.items()} for part in (starts, data._asdict())]
    parameters, loss = _descend(residual, steps, *single, np.float32(tolerance), np.float32(rate))
    order = np.argsort(np.asarray(loss), kind="stable")
    return [{name: np.asarray(value[at], np.float64) for name, value in parameters.items()} for at in order]


@partial(jax.jit, static_argnames=("residual", "steps"))
def _descend(residual, steps, starts, data, tolerance, rate):
    adam = optax.scale_by_adam()

    def loss(parameters):
        each = jax.vmap(partial(residual, parameters))(data["x"], data["target"], data["weight"])
        return jnp.mean(each**2)

    def one(start):
        def step(state):
            at, parameters, moments, best, least, mark, since = state
            value, gradient = jax.value_and_grad(loss)(parameters)
            better = value < least
            best = jax.tree.map(lambda a, b: jnp.where(better, a, b), parameters, best)
            improves = value < IMPROVES * mark
            mark, since = jnp.where(improves, value, mark), jnp.where(improves, at, since)
            updates, moments = adam.update(gradient, moments)
            pace = rate * 0.5 * (1 + jnp.cos(jnp.pi * at / steps))
            parameters = jax.tree.map(lambda p, u: p - pace * u, parameters, updates)
            return at + 1, parameters, moments, best, jnp.minimum(value, least), mark, since

        def going(state):
            at, *_, least, _, since = state
            return (at < steps) & (at - since < PATIENCE) & (least > tolerance**2)

        infinite = jnp.asarray(jnp.inf, jnp.float32)
        end = jax.lax.while_loop(going, step, (0, start, adam.init(start), start, infinite, infinite, 0))
        return end[3], end[4]

    return jax.vmap(one)(starts)


def polish(
    residual: Residual, start: Parameters, data: Data, *, tolerance: float, steps: int = 60, damping: float = 1e-3
) -> Fit:
    """Levenberg-Marquardt from one start.

    Args:
        residual: of one query.
        start: parameters.
        data: equations.
        tolerance: stop at this root mean square of residuals.
        steps: at most; it stops earlier where several steps in a row gain little.
        damping: of the first step, as a multiple of the diagonal; less for a start that is near.
    """
    with jax.enable_x64(True):
        theta, restore = ravel_pytree({name: jnp.asarray(value, float) for name, value in start.items()})
        theta, equations = np.asarray(theta), _Equations(residual, restore, data)
        normal, gradient, squares = equations.linearise(theta)
        history = [squares]
        while len(history) <= steps and squares > tolerance**2 * equations.count:
            step, damping = _step(equations, theta, normal, gradient, squares, damping)
            stalled = len(history) > STALLED and squares > STALL**STALLED * history[-1 - STALLED]
            if step is None or stalled:
                break
            theta = theta + step
            normal, gradient, squares = equations.linearise(theta)
            history.append(squares)
            damping = max(damping / (FAST if squares < QUICK * history[-2] else SLOW), 1e-14)
        parameters = {name: np.asarray(value) for name, value in restore(jnp.asarray(theta)).items()}
        return Fit(parameters, (squares / equations.count) ** 0.5, len(history) - 1)


def _step(equations, theta, normal, gradient, squares, damping) -> tuple[np.ndarray | None, float]:
    """A step that lessens the squares, and the damping that it took; None where there is none."""
    diagonal = np.diagonal(normal) + 1e-12 * np.diagonal(normal).max()
    while damping < 1e8:
        try:
            factor = scipy.linalg.cho_factor(normal + np.diag(damping * diagonal), check_finite=False)
        except np.linalg.LinAlgError:
            damping *= 10
            continue
        step = -scipy.linalg.cho_solve(factor, gradient, check_finite=False)
        if equations.squares(theta + step) < squares:
            return step, damping
        damping *= 4
    return None, damping


class _Equations:
    """The residuals of all queries, a block at a time."""

    def __init__(self, residual: Residual, restore: Any, data: Data) -> None:
        self._residual, self._restore = residual, restore
        outputs = data.target.shape[1]
        self.count = len(data.x) * outputs
        self._data, self._blocks = data, []

    def linearise(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """J^T J, J^T r and r^T r."""
        normal, gradient, squares = np.zeros((theta.size, theta.size)), np.zeros(theta.size), 0.0
        for block in self._split(theta.size):
            value, jacobian = map(np.asarray, _linearise(self._residual, self._restore(theta), *block))
            normal += jacobian.T @ jacobian
            gradient += jacobian.T @ value
            squares += float(value @ value)
        return normal, gradient, squares

    def squares(self, theta: np.ndarray) -> float:
        """r^T r; infinite where it overflows."""
        value = sum(
            float(np.sum(np.asarray(_values(self._residual, self._restore(theta), *block)) ** 2))
            for block in self._split(theta.size)
        )
        return value if np.isfinite(value) else float("inf")

    def _split(self, unknowns: int) -> Sequence[Data]:
        """Blocks of one length, the last filled up with queries of weight 0."""
        if not self._blocks:
            rows = max(BLOCK // (unknowns * self._data.target.shape[1]), 1)
            count = -(-len(self._data.x) // rows)
            rows = -(-len(self._data.x) // count)
            short = count * rows - len(self._data.x)
            x, target = (np.concatenate([part, np.repeat(part[:1], short, axis=0)]) for part in self._data[:2])
            weight = np.concatenate([self._data.weight, np.zeros(short)])
            self._blocks = [
                Data(*(part[at : at + rows] for part in (x, target, weight))) for at in range(0, count * rows, rows)
            ]
        return self._blocks


@partial(jax.jit, static_argnums=0)
def _values(residual, parameters, x, target, weight):
    return jax.vmap(partial(residual, parameters))(x, target, weight).ravel()


@partial(jax.jit, static_argnums=0)
def _linearise(residual, parameters, x, target, weight):
    flat, restore = ravel_pytree(parameters)

    def one(theta, *query):
        return residual(restore(theta), *query)

    jacobian = jax.vmap(jax.jacrev(one), (None, 0, 0, 0))(flat, x, target, weight)
    return _values(residual, parameters, x, target, weight), jacobian.reshape(-1, flat.size)

"""Softmax regression from bounds on what it answers (bounded-error estimation).

Rounding says of an answer a that the true value v, a confidence or a logit, is in [a - h, a + h], and a class that is not
among the top k that it is at most the least of those. Weights are consistent that keep every v_ni(W) within its bounds.
They are found in three steps, all of them on weights without what no confidence depends on (`terms.equations`):

1. a linear least squares of ln p, small confidences raised to h, withheld ones to an equal share of what is left;
2. Levenberg-Marquardt on the residuals (v - a) / h of the classes that are answered;
3. the analytic centre of the consistent weights: Newton on -sum ln(high - v) - sum ln(v - low), the bounds first widened
   as far as step 2 needs and then narrowed.

Step 3 uses that rounding errors are bounded, which squares do not: where there are several times more bounds than
unknowns its error falls like one over their number. Answers that are not rounded end with step 2, on ln v.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax, softmax

from jaxattack.attacks.extraction.equations.terms import ROUNDING, equations, resolution, scores
from jaxattack.attacks.search.least_squares import Linearised, levenberg_marquardt, solve_damped
from jaxattack.types import Access, Answer

RIDGE = 1e-3
"""Times half the squared weights, beside the barrier: what keeps a class finite that is bounded on one side alone."""

FINE = 1e-12
"""Bounds so near to each other are met by squares as well as arithmetic can."""
WITHIN = 1e-2
"""Half widths by which bounds may be exceeded: where queries lie at thresholds, next to nothing is consistent without."""
SQUARES = 100
NARROWED, NEWTON, DECREMENT = 60, 20, 1e-2
STUCK = 0.995
"""Bounds that are narrowed by less than this share are kept by no weights."""


class Bounds(NamedTuple):
    """What answers say.

    Attributes:
        columns: Float["query column"], a 1 last.
        middle: Float["query cls"], the values answered; NaN where withheld.
        width: Float["query cls"], half the distance of the bounds; the step of one where there is none below.
        low: Float["query cls"], -inf where there is none.
        high: Float["query cls"].
        basis: Float["cls equation"], as `terms.equations`.
        space: confidence, logarithm of a confidence, or logit.
    """

    columns: Float[np.ndarray, "query column"]
    middle: Float[np.ndarray, "query cls"]
    width: Float[np.ndarray, "query cls"]
    low: Float[np.ndarray, "query cls"]
    high: Float[np.ndarray, "query cls"]
    basis: Float[np.ndarray, "cls equation"]
    space: str


class Estimate(NamedTuple):
    """Weights, and how sure they are.

    Attributes:
        weight: Float["column cls"], the constant last.
        curvature: of the barrier or the squares at the weights, as a square matrix over equation and column.
        excess: by how many half widths a bound is exceeded at most; below 0 where all are kept.
    """

    weight: Float[np.ndarray, "column cls"]
    curvature: Float[np.ndarray, "unknown unknown"]
    excess: float


_VALUES: dict[str, tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]] = {
    "confidence": (
        lambda z: softmax(z, axis=1),
        lambda v: v[:, :, None] * (np.eye(v.shape[1])[None] - v[:, None, :]),
    ),
    "logarithm": (
        lambda z: log_softmax(z, axis=1),
        lambda v: np.broadcast_to(np.eye(v.shape[1])[None] - np.exp(v)[:, None, :], (*v.shape, v.shape[1])),
    ),
    "logit": (lambda z: z, lambda v: np.broadcast_to(np.eye(v.shape[1]), (*v.shape, v.shape[1]))),
}


def space(access: Access) -> str:
    """Where the bounds of such answers are taken."""
    if access.level == "logit":
        return "logit"
    return "logarithm" if access.decimals is None else "confidence"


def half(access: Access) -> float:
    """How far an answer that is rounded to decimals may be off, the arithmetic before it included."""
    return resolution(access) + 2 * ROUNDING[access.precision]


def bounds(access: Access, columns: Float[np.ndarray, "query column"], answer: Answer) -> Bounds:
    """What answers say of the values behind them.

    Args:
        access: the victim's terms.
        columns: of each query, without the constant.
        answer: to each query.
    """
    kind = space(access)
    middle = scores(access, answer)
    if kind == "confidence":
        middle = np.exp(middle)
    off = np.full_like(middle, half(access))
    if access.decimals is None:
        with np.errstate(invalid="ignore"):
            off = 2 * ROUNDING[access.precision] * (1 + np.abs(np.where(np.isfinite(middle), middle, 0.0)))
        middle = np.where(np.isfinite(middle), middle, np.nan)
    present = ~np.isnan(middle)
    least = np.where(present, middle, np.inf).min(axis=1, keepdims=True)
    low = np.where(present, middle - off, -np.inf)
    high = np.where(present, middle, least) + off
    design = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    return Bounds(design, middle, off, low, high, equations(access), kind)


def together(first: Bounds, second: Bounds) -> Bounds:
    """Both."""
    columns, middle, width, low, high = (np.concatenate(pair) for pair in zip(first[:5], second[:5], strict=True))
    return Bounds(columns, middle, width, low, high, first.basis, first.space)


def values(limits: Bounds, columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What weights answer; columns with the constant."""
    return _VALUES[limits.space][0](columns @ weight)


def slopes(limits: Bounds, value: np.ndarray) -> np.ndarray:
    """Float["query cls equation"], the derivative of each value by what the equations add to the logits."""
    return _VALUES[limits.space][1](value) @ limits.basis


def consistent(limits: Bounds, start: np.ndarray | None = None) -> Estimate:
    """Weights that keep the bounds, or come near it.

    Args:
        limits: the bounds.
        start: Float["column cls"], weights to start from; by default step 1 finds some.
    """
    weight = _linear(limits) if start is None else start
    best = _squares(limits, _squares(_coarse(limits), weight).weight if limits.space == "logarithm" else weight)
    return best if limits.space == "logarithm" or limits.width.max() < FINE else _centre(limits, best)


def _coarse(limits: Bounds) -> Bounds:
    """Logarithms of confidences as confidences, which no residual of a rare class outweighs."""
    share = np.exp(limits.middle)
    return limits._replace(space="confidence", middle=share, width=np.ones_like(share))


def _linear(limits: Bounds) -> np.ndarray:
    """Step 1."""
    present = ~np.isnan(limits.middle)
    middle = np.where(present, limits.middle, 0.0)
    if limits.space != "logit":
        share = np.where(present, np.exp(middle) if limits.space == "logarithm" else middle, 0.0)
        left = np.maximum(1 - share.sum(axis=1, keepdims=True), 0) / np.maximum(
            (~present).sum(axis=1, keepdims=True), 1
        )
        filled = np.where(present, share, left)
        middle = np.log(np.maximum(filled, limits.width.min() if limits.space == "confidence" else 1e-30))
    else:
        middle = np.where(present, middle, limits.high)
    solution = np.linalg.lstsq(limits.columns, middle @ limits.basis, rcond=1e-12)[0]
    return solution @ limits.basis.T


def _squares(limits: Bounds, weight: np.ndarray) -> Estimate:
    """Step 2."""
    present = ~np.isnan(limits.middle)
    middle = np.where(present, limits.middle, 0.0)

    def residual(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = values(limits, limits.columns, _weight(limits, theta))
        return value, np.where(present, value - middle, 0.0) / limits.width

    def linearise(theta: np.ndarray) -> Linearised:
        value, off = residual(theta)
        slope = slopes(limits, value) * (present / limits.width)[:, :, None]
        normal = _normal(limits.columns, np.einsum("nij,nik->njk", slope, slope))
        gradient = (limits.columns.T @ np.einsum("nij,ni->nj", slope, off)).T.ravel()
        return Linearised(normal, gradient, float(np.sum(off**2)))

    start = (weight @ limits.basis).T.ravel()
    end = levenberg_marquardt(linearise, lambda theta: float(np.sum(residual(theta)[1] ** 2)), start, steps=SQUARES)
    weight = _weight(limits, end.theta)
    return Estimate(weight, end.at.normal, _excess(limits, values(limits, limits.columns, weight)))


def _weight(limits: Bounds, theta: np.ndarray) -> Float[np.ndarray, "column cls"]:
    """Weights of the unknowns that answers depend on."""
    return theta.reshape(-1, limits.columns.shape[1]).T @ limits.basis.T


def _excess(limits: Bounds, value: np.ndarray) -> float:
    return float((np.maximum(value - limits.high, limits.low - value) / limits.width).max())


def _centre(limits: Bounds, start: Estimate) -> Estimate:
    """Step 3; the start where no weights keep the bounds."""
    weight, normal, slack = start.weight, start.curvature, _next_slack(start.excess, 2 * start.excess + 1)
    for _ in range(NARROWED):
        weight, normal = _newton(limits, weight, slack, NEWTON if slack == WITHIN else 4)
        excess = _excess(limits, values(limits, limits.columns, weight))
        if slack == WITHIN:
            return Estimate(weight, normal, excess)
        before, slack = slack, _next_slack(excess, slack)
        if slack > STUCK * before:
            break
    return start


def _next_slack(excess: float, slack: float) -> float:
    """What bounds are widened by next, somewhat more than they are exceeded by."""
    return WITHIN if excess < WITHIN else excess + max(0.2 * (slack - excess), 1e-6 * (1 + excess))


def _newton(limits: Bounds, weight: np.ndarray, slack: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method on the barrier of widened bounds, from weights within them; and its curvature."""
    below = np.isfinite(limits.low)
    low = np.where(below, limits.low, 0.0)

    def barrier(weight: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        value = values(limits, limits.columns, weight)
        over = (limits.high - value) / limits.width + slack
        under = np.where(below, (value - low) / limits.width + slack, 1.0)
        if min(over.min(), under.min()) <= 0:
            return np.inf, value, over, under
        ridge = RIDGE / 2 * np.sum(weight[:-1] ** 2)
        return float(ridge - np.log(over).sum() - np.log(under).sum()), value, over, under

    features = limits.columns.shape[1]
    ridge = np.tile(np.append(np.full(features - 1, RIDGE), 0.0), limits.basis.shape[1])
    at, value, over, under = barrier(weight)
    normal = np.eye(1)
    for _ in range(steps):
        slope = slopes(limits, value) / limits.width[:, :, None]
        bend = 1 / over**2 + np.where(below, 1 / under**2, 0.0)
        normal = _normal(limits.columns, np.einsum("nij,ni,nik->njk", slope, bend, slope)) + np.diag(ridge)
        pull = np.einsum("nij,ni->nj", slope, 1 / over - np.where(below, 1 / under, 0.0))
        gradient = (limits.columns.T @ pull).T.ravel() + ridge * (weight @ limits.basis).T.ravel()
        newton = solve_damped(normal, gradient, 1e-13)
        decrement, step = float(newton @ gradient), _weight(limits, newton)
        length = 1.0
        while length > 1e-10 and not barrier(weight - length * step)[0] <= at - 1e-4 * length * decrement:
            length /= 2
        if length <= 1e-10:
            break
        weight = weight - length * step
        at, value, over, under = barrier(weight)
        if decrement < DECREMENT:
            break
    return weight, normal


def _normal(columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """sum_n weight_n (x) columns_n columns_n^T, the equations leading."""
    outputs, features = weight.shape[1], columns.shape[1]
    matrix = np.empty((outputs, features, outputs, features))
    for i in range(outputs):
        for j in range(i + 1):
            matrix[i, :, j] = block = (columns * weight[:, i, j, None]).T @ columns
            matrix[j, :, i] = block.T
    return matrix.reshape(outputs * features, outputs * features)


def variances(limits: Bounds, estimate: Estimate, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How unsure the values of other queries are, and the values.

    Args:
        limits: the bounds behind the weights.
        estimate: the weights.
        columns: of the other queries, with the constant.

    Returns:
        Float["query cls"], variances if the curvature is that of a Gaussian, and Float["query cls"].
    """
    outputs, features = limits.basis.shape[1], columns.shape[1]
    size = len(estimate.curvature)
    spread = np.linalg.inv(estimate.curvature + 1e-12 * np.trace(estimate.curvature) / size * np.eye(size))
    spread = spread.reshape(outputs, features, outputs, features)
    between = np.empty((len(columns), outputs, outputs))
    for i in range(outputs):
        for j in range(i + 1):
            between[:, i, j] = between[:, j, i] = np.einsum("na,na->n", columns @ spread[i, :, j], columns)
    value = values(limits, columns, estimate.weight)
    slope = slopes(limits, value)
    return np.maximum(np.einsum("nij,njk,nik->ni", slope, between, slope), 0.0), value

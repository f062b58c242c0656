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
import scipy.linalg
from jaxtyping import Float
from scipy.special import log_softmax, softmax

from jaxattack.attacks.extraction.equations.terms import ROUNDING, equations, resolution, scores
from jaxattack.types import Access, Answer

RIDGE = 1e-3
"""Times half the squared weights, beside the barrier: what keeps a class finite that is bounded on one side alone."""

FINE = 1e-12
"""Bounds so near to each other are met by squares as well as arithmetic can."""
FAR = 5.0
"""So many half widths of excess show that squares ended far from the least."""
WITHIN = 1e-2
"""Half widths by which bounds may be exceeded: where queries lie at thresholds, next to nothing is consistent without."""
SQUARES, SETTLED = 100, 1e-7
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


class Consistent(NamedTuple):
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
    known = ~np.isnan(middle)
    least = np.where(known, middle, np.inf).min(axis=1, keepdims=True)
    low = np.where(known, middle - off, -np.inf)
    high = np.where(known, middle, least) + off
    whole = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    return Bounds(whole, middle, off, low, high, equations(access), kind)


def together(first: Bounds, second: Bounds) -> Bounds:
    """Both."""
    columns, middle, width, low, high = (np.concatenate(pair) for pair in zip(first[:5], second[:5], strict=True))
    return Bounds(columns, middle, width, low, high, first.basis, first.space)


def values(said: Bounds, columns: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What weights answer; columns with the constant."""
    return _VALUES[said.space][0](columns @ weight)


def slopes(said: Bounds, value: np.ndarray) -> np.ndarray:
    """Float["query cls equation"], the derivative of each value by what the equations add to the logits."""
    return _VALUES[said.space][1](value) @ said.basis


def consistent(said: Bounds, start: np.ndarray | None = None) -> Consistent:
    """Weights that keep the bounds, or come near it.

    Args:
        said: the bounds.
        start: Float["column cls"], weights to start from; by default step 1 finds some.
    """
    linear = _linear(said)
    fitted: Consistent | None = None
    for weight in (start, linear, linear / 2, np.zeros_like(linear)):
        if weight is not None and (fitted is None or fitted.excess > FAR):
            found = _squares(said, _squares(_coarse(said), weight).weight if said.space == "logarithm" else weight)
            fitted = found if fitted is None or found.excess < fitted.excess else fitted
    assert fitted is not None
    return fitted if said.space == "logarithm" or said.width.max() < FINE else _centre(said, fitted)


def _coarse(said: Bounds) -> Bounds:
    """Logarithms of confidences as confidences, which no residual of a rare class outweighs."""
    share = np.exp(said.middle)
    return said._replace(space="confidence", middle=share, width=np.ones_like(share))


def _linear(said: Bounds) -> np.ndarray:
    """Step 1."""
    known = ~np.isnan(said.middle)
    middle = np.where(known, said.middle, 0.0)
    if said.space != "logit":
        share = np.where(known, np.exp(middle) if said.space == "logarithm" else middle, 0.0)
        left = np.maximum(1 - share.sum(axis=1, keepdims=True), 0) / np.maximum((~known).sum(axis=1, keepdims=True), 1)
        filled = np.where(known, share, left)
        middle = np.log(np.maximum(filled, said.width.min() if said.space == "confidence" else 1e-30))
    else:
        middle = np.where(known, middle, said.high)
    found = np.linalg.lstsq(said.columns, middle @ said.basis, rcond=1e-12)[0]
    return found @ said.basis.T


def _squares(said: Bounds, weight: np.ndarray) -> Consistent:
    """Step 2."""
    known = ~np.isnan(said.middle)
    middle = np.where(known, said.middle, 0.0)

    def residual(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = values(said, said.columns, weight)
        return value, np.where(known, value - middle, 0.0) / said.width

    value, off = residual(weight)
    damping, normal = 1e-3, np.eye(1)
    for _ in range(SQUARES):
        slope = slopes(said, value) * (known / said.width)[:, :, None]
        normal = _normal(said.columns, np.einsum("nij,nik->njk", slope, slope))
        gradient = (said.columns.T @ np.einsum("nij,ni->nj", slope, off)).T.ravel()
        before = np.sum(off**2)
        while damping < 1e10:
            step = _solved(normal, gradient, damping).reshape(-1, said.columns.shape[1]).T @ said.basis.T
            tried = weight - step
            value_, off_ = residual(tried)
            if np.sum(off_**2) < before:
                break
            damping *= 5
        else:
            break
        weight, value, off = tried, value_, off_
        damping = max(damping / 5, 1e-14)
        if np.sum(off**2) > (1 - SETTLED) * before:
            break
    return Consistent(weight, normal, _excess(said, value))


def _excess(said: Bounds, value: np.ndarray) -> float:
    return float((np.maximum(value - said.high, said.low - value) / said.width).max())


def _centre(said: Bounds, start: Consistent) -> Consistent:
    """Step 3; the start where no weights keep the bounds."""
    weight, normal, slack = start.weight, start.curvature, _widened(start.excess, 2 * start.excess + 1)
    for _ in range(NARROWED):
        weight, normal = _newton(said, weight, slack, NEWTON if slack == WITHIN else 4)
        excess = _excess(said, values(said, said.columns, weight))
        if slack == WITHIN:
            return Consistent(weight, normal, excess)
        before, slack = slack, _widened(excess, slack)
        if slack > STUCK * before:
            break
    return start


def _widened(excess: float, slack: float) -> float:
    """What bounds are widened by next, somewhat more than they are exceeded by."""
    return WITHIN if excess < WITHIN else excess + max(0.2 * (slack - excess), 1e-6 * (1 + excess))


def _newton(said: Bounds, weight: np.ndarray, slack: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method on the barrier of widened bounds, from weights within them; and its curvature."""
    below = np.isfinite(said.low)
    low = np.where(below, said.low, 0.0)

    def barrier(weight: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        value = values(said, said.columns, weight)
        over = (said.high - value) / said.width + slack
        under = np.where(below, (value - low) / said.width + slack, 1.0)
        if min(over.min(), under.min()) <= 0:
            return np.inf, value, over, under
        ridge = RIDGE / 2 * np.sum(weight[:-1] ** 2)
        return float(ridge - np.log(over).sum() - np.log(under).sum()), value, over, under

    features = said.columns.shape[1]
    ridge = np.tile(np.append(np.full(features - 1, RIDGE), 0.0), said.basis.shape[1])
    at, value, over, under = barrier(weight)
    normal = np.eye(1)
    for _ in range(steps):
        slope = slopes(said, value) / said.width[:, :, None]
        bend = 1 / over**2 + np.where(below, 1 / under**2, 0.0)
        normal = _normal(said.columns, np.einsum("nij,ni,nik->njk", slope, bend, slope)) + np.diag(ridge)
        pull = np.einsum("nij,ni->nj", slope, 1 / over - np.where(below, 1 / under, 0.0))
        gradient = (said.columns.T @ pull).T.ravel() + ridge * (weight @ said.basis).T.ravel()
        newton = _solved(normal, gradient, 1e-13)
        decrement, step = float(newton @ gradient), newton.reshape(-1, features).T @ said.basis.T
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
    made = np.empty((outputs, features, outputs, features))
    for i in range(outputs):
        for j in range(i + 1):
            made[i, :, j] = block = (columns * weight[:, i, j, None]).T @ columns
            made[j, :, i] = block.T
    return made.reshape(outputs * features, outputs * features)


def _solved(normal: np.ndarray, gradient: np.ndarray, damping: float) -> np.ndarray:
    """A damped solution of the normal equations; more damped where they are singular."""
    diagonal = np.diagonal(normal)
    scale = 1 / np.sqrt(np.maximum(diagonal, 1e-14 * diagonal.max()))
    scaled = normal * scale[:, None] * scale
    while True:
        try:
            factor = scipy.linalg.cho_factor(scaled + damping * np.eye(len(scaled)), check_finite=False)
            return scale * scipy.linalg.cho_solve(factor, scale * gradient, check_finite=False)
        except np.linalg.LinAlgError:
            damping = max(10 * damping, 1e-14)


def variances(said: Bounds, found: Consistent, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How unsure the values of other queries are, and the values.

    Args:
        said: the bounds behind the weights.
        found: the weights.
        columns: of the other queries, with the constant.

    Returns:
        Float["query cls"], variances if the curvature is that of a Gaussian, and Float["query cls"].
    """
    outputs, features = said.basis.shape[1], columns.shape[1]
    size = len(found.curvature)
    spread = np.linalg.inv(found.curvature + 1e-12 * np.trace(found.curvature) / size * np.eye(size))
    spread = spread.reshape(outputs, features, outputs, features)
    between = np.empty((len(columns), outputs, outputs))
    for i in range(outputs):
        for j in range(i + 1):
            between[:, i, j] = between[:, j, i] = np.einsum("na,na->n", columns @ spread[i, :, j], columns)
    value = values(said, columns, found.weight)
    slope = slopes(said, value)
    return np.maximum(np.einsum("nij,njk,nik->ni", slope, between, slope), 0.0), value

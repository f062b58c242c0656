"""Softmax regression from bounds on what it answers (bounded-error estimation).

Rounding says of an answer a that the true value v, a confidence or a logit, is in [a - h, a + h]. Weights are consistent
that keep every v_ni(W) within its bounds. Sought is their analytic centre, the least of -sum ln(a + h - v) - sum ln(v - a + h),
on weights without what no confidence depends on (`terms.equations`), by Levenberg-Marquardt. A hundredth of h from its bound
each logarithm is continued by its Taylor polynomial of degree 2 (a relaxed barrier: Feller and Ebenbauer 2017), so that
weights which are not consistent have a cost too.

Of confidences that are not rounded v is the logarithm, which is as exact however rare a class is.

This uses that rounding errors are bounded, which squares do not: where there are several times more bounds than unknowns
its error falls like one over their number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import log_softmax, softmax

from jaxattack.attacks.extraction.equations.terms import ROUNDING, equations, resolution, scores
from jaxattack.attacks.search.least_squares import Linearised, levenberg_marquardt
from jaxattack.types import EPSILON, Access, Answer

WITHIN = 1e-2
"""Half widths from a bound at which the barrier is continued: where queries lie at thresholds, next to nothing is consistent. Of the 48 thefts
of `adaptive` 32 are complete; with a tenth 33, with ten times 32."""

RIDGE = 1e-3
"""Times half the squared weights, beside the barrier: what keeps a class finite that is never seen but as 0. A tenth 32, ten times 31."""

STEPS = 100
"""However little they gain: ended where ten gain under a tenth, one of eight quadratic victims has four times the error. Half and twice 32."""


class Bounds(NamedTuple):
    """Columns of queries, a 1 last, and what was answered, NaN where withheld; width is half the distance of its bounds."""

    columns: Float[np.ndarray, "query column"]
    middle: Float[np.ndarray, "query cls"]
    width: Float[np.ndarray, "query cls"]
    access: Access


class Estimate(NamedTuple):
    """Weights, the constant last, the curvature at them, and by how many half widths they exceed a bound at most."""

    weight: Float[np.ndarray, "column cls"]
    curvature: Float[np.ndarray, "unknown unknown"]
    excess: float


class Penalty(NamedTuple):
    """What values cost, and its first two derivatives by them, in half widths."""

    cost: Float[np.ndarray, "query cls"]
    pull: Float[np.ndarray, "query cls"]
    bend: Float[np.ndarray, "query cls"]


def bounds(access: Access, columns: Float[np.ndarray, "query column"], answer: Answer) -> Bounds:
    """What answers say of the values behind them."""
    score = scores(access, answer)
    confidences = access.level != "logit" and access.decimals is not None
    middle = np.exp(score) if confidences else np.where(np.isfinite(score), score, np.nan)
    width = resolution(access) + 2 * ROUNDING[access.precision] * (1 + np.abs(np.nan_to_num(middle)))
    return Bounds(columns, middle, width, access)


def values(access: Access, logit: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "query cls"]:
    """What is answered; of confidences that are not rounded the logarithms, which tell of rare classes as exactly."""
    if access.level == "logit":
        return logit
    return log_softmax(logit, axis=1) if access.decimals is None else softmax(logit, axis=1)


def consistent(limits: Bounds, before: Estimate | None = None) -> Estimate:
    """Weights that keep the bounds, or come near it, found from those that kept fewer bounds ``before``.

    96 thefts of 24 quadratic victims of saturated answers are 3.2e-3 off then, 3.8e-3 anew each time (geometric means).
    """
    basis, columns = equations(limits.access), limits.columns

    def weight(theta: np.ndarray) -> Float[np.ndarray, "column cls"]:
        return theta.reshape(-1, columns.shape[1]).T @ basis.T

    ridge = np.tile(np.append(np.full(columns.shape[1] - 1, RIDGE), 0), basis.shape[1])

    def cost(theta: np.ndarray) -> float:
        value = values(limits.access, columns @ weight(theta))
        return 2 * float(barrier(limits, value).cost.sum()) + float(ridge @ theta**2)

    def linearise(theta: np.ndarray) -> Linearised:
        value = values(limits.access, columns @ weight(theta))
        _, pull, bend = barrier(limits, value)
        slope = _slopes(limits.access, value) @ basis / limits.width[:, :, None]
        normal = _normal(columns, np.einsum("nij,ni,nik->njk", slope, bend, slope)) + np.diag(ridge)
        gradient = (columns.T @ np.einsum("nij,ni->nj", slope, pull)).T.ravel() + ridge * theta
        return Linearised(normal, gradient, cost(theta))

    start = np.zeros(len(ridge)) if before is None else (before.weight @ basis).T.ravel()
    end = levenberg_marquardt(linearise, cost, start, steps=STEPS, patience=STEPS)
    off = np.abs(values(limits.access, columns @ weight(end.theta)) - limits.middle) / limits.width
    return Estimate(weight(end.theta), end.at.normal, float(np.nanmax(off)) - 1)


def variances(
    access: Access, estimate: Estimate, columns: Float[np.ndarray, "query column"]
) -> Float[np.ndarray, "query cls"]:
    """How unsure weights are of the values of other queries, if the curvature is that of a Gaussian."""
    basis, size = equations(access), len(estimate.curvature)
    ridge = EPSILON["float64"] * np.trace(estimate.curvature) * np.eye(size)  # what rounding leaves of an eigenvalue
    spread = np.linalg.inv(estimate.curvature + ridge).reshape(basis.shape[1], -1, basis.shape[1], columns.shape[1])
    slope = _slopes(access, values(access, columns @ estimate.weight)) @ basis
    variance = np.zeros((len(columns), access.classes))
    for i, j in np.ndindex(basis.shape[1], basis.shape[1]):
        between = ((columns @ spread[i, :, j]) * columns).sum(axis=1)
        variance += slope[:, :, i] * slope[:, :, j] * between[:, None]
    return np.maximum(variance, 0.0)


def _slopes(access: Access, value: np.ndarray) -> Float[np.ndarray, "query cls cls"]:
    """The derivative of each value by the logits."""
    eye = np.eye(value.shape[1])
    if access.level == "logit":
        return eye[None]
    return eye - np.exp(value)[:, None, :] if access.decimals is None else value[:, :, None] * (eye - value[:, None, :])


def barrier(limits: Bounds, value: np.ndarray) -> Penalty:
    """-ln of the distance to either bound, in half widths; nothing where an answer was withheld."""
    off = (value - limits.middle) / limits.width
    upper, lower = _relaxed(1 - off), _relaxed(1 + off)
    both = Penalty(upper.cost + lower.cost, lower.pull - upper.pull, upper.bend + lower.bend)
    return Penalty(*(np.where(np.isnan(off), 0.0, part) for part in both))


def _relaxed(distance: np.ndarray) -> Penalty:
    """-ln of a distance, and its continuation."""
    inside = distance > WITHIN
    safe, beyond = np.where(inside, distance, WITHIN), (distance - 2 * WITHIN) / WITHIN
    cost = np.where(inside, 0, (beyond**2 - 1) / 2) - np.log(safe)
    return Penalty(cost, np.where(inside, -1 / safe, beyond / WITHIN), 1 / safe**2)


def _normal(columns: np.ndarray, weight: np.ndarray) -> Float[np.ndarray, "unknown unknown"]:
    """sum_n weight_n (x) columns_n columns_n^T, the equations leading."""
    outputs, features = weight.shape[1], columns.shape[1]
    matrix = np.empty((outputs, features, outputs, features))
    for i in range(outputs):
        for j in range(i + 1):
            matrix[i, :, j] = block = (columns * weight[:, i, j, None]).T @ columns
            matrix[j, :, i] = block.T
    return matrix.reshape(outputs * features, outputs * features)

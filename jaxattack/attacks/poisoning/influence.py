"""Softmax regression in float64, and what flipping a label does to its loss on other records (Koh and Liang 2017).

The regression minimises J(W) = mean_i l(x_i, y_i; W) + decay / 2 |W|^2 with the bias among the weights, which is strictly
convex. Flipping the label of record i from y to y' moves the minimum by

    W' - W = -H^-1 (grad l(x_i, y') - grad l(x_i, y)) / n = -H^-1 x_i (e_y - e_y')^T / n

to first order, H the Hessian of J, and so the loss on other records by x_i^T (S_y' - S_y) / n with S = H^-1 grad L_other:
one linear system for all flips of all records. H is never written down: conjugate gradients need its products alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg


def log_softmax(logits: Float[np.ndarray, "record cls"]) -> Float[np.ndarray, "record cls"]:
    """The log probability of each class."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _with_bias(x: Float[np.ndarray, "record feature"]) -> Float[np.ndarray, "record weight"]:
    return np.hstack([np.asarray(x, np.float64), np.ones((len(x), 1))])


class SoftmaxRegression(NamedTuple):
    """A fitted regression.

    Attributes:
        weight: Float["weight cls"], the bias last.
        decay: of the squared weights.
    """

    weight: np.ndarray
    decay: float

    @classmethod
    def fit(
        cls,
        x: Float[np.ndarray, "record feature"],
        y: Int[np.ndarray, "record"],
        classes: int,
        decay: float,
        start: SoftmaxRegression | None = None,
    ) -> SoftmaxRegression:
        """The minimum of J.

        Args:
            x: records.
            y: their labels.
            classes: how many.
            decay: of the squared weights.
            start: a regression nearby.
        """
        design, target = _with_bias(x), np.eye(classes)[y]
        shape = (design.shape[1], classes)

        def objective(flat):
            weight = flat.reshape(shape)
            log_p = log_softmax(design @ weight)
            gradient = design.T @ (np.exp(log_p) - target) / len(design) + decay * weight
            return decay / 2 * (weight**2).sum() - (log_p * target).sum() / len(design), gradient.ravel()

        first = np.zeros(shape) if start is None else start.weight
        options = {"maxiter": 5000, "maxfun": 10000, "ftol": 1e-12, "gtol": 1e-6}
        solution = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
        return cls(solution.x.reshape(shape), decay)

    def loss(self, x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"]) -> float:
        """The mean cross entropy on some records, in nats."""
        return float(-log_softmax(_with_bias(x) @ self.weight)[np.arange(len(y)), y].mean())


def flip_gains(
    regression: SoftmaxRegression,
    x: Float[np.ndarray, "record feature"],
    y: Int[np.ndarray, "record"],
    other_x: Float[np.ndarray, "other feature"],
    other_y: Int[np.ndarray, "other"],
) -> Float[np.ndarray, "record cls"]:
    """By how much each label of each training record would raise the loss on other records, to first order.

    Args:
        regression: fitted to x and y.
        x: the training records.
        y: their labels.
        other_x: other records.
        other_y: their labels.

    Returns:
        In nats; minus infinity at a record's own label.
    """
    design, other = _with_bias(x), _with_bias(other_x)
    p, shape = np.exp(log_softmax(design @ regression.weight)), regression.weight.shape
    residual = np.exp(log_softmax(other @ regression.weight)) - np.eye(shape[1])[other_y]

    def product(flat):
        logits = design @ flat.reshape(shape)
        moved = p * (logits - (p * logits).sum(axis=1, keepdims=True))
        return (design.T @ moved / len(design)).ravel() + regression.decay * flat

    size = regression.weight.size
    hessian = LinearOperator((size, size), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    solution, _ = cg(hessian, (other.T @ residual / len(other)).ravel(), rtol=1e-8, maxiter=10 * size)
    projected = design @ solution.reshape(shape)
    gain = (projected - projected[np.arange(len(y)), y][:, None]) / len(design)
    gain[np.arange(len(y)), y] = -np.inf
    return gain

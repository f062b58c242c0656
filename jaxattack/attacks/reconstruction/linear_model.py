"""A trained linear model and the objective that it minimises: what its owner publishes, or what an estimator holds.

The weights W["feature output"] and bias b["output"] minimise

    sum_i loss(W^T s_i + b, y_i) + penalty / 2 |W|^2        s_i = (x_i - mean) / scale

    loss       prediction                answer                                    outputs
    logistic   1 / (1 + exp(-z))         0 or 1                                    1
    softmax    softmax(z)                one-hot of a class                        2 or more
    squared    z, the loss |z - y|^2/2   numbers ["record"] or ["record output"]   1 or more

With a mean in place of the sum, penalty is the coefficient times the number of records, the missing one counted.
scikit-learn's LogisticRegression(C=c) has penalty 1 / c; its Ridge(alpha=a) has penalty a.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from jaxattack.types import InputError

Loss = Literal["logistic", "softmax", "squared"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearModel:
    """A trained linear model, and the objective that it minimises.

    Attributes:
        weight: W.
        bias: b.
        loss: logistic, softmax or squared.
        penalty: of W, at least 0.
        mean: taken off each feature first; 0 for none.
        scale: what each feature is then divided by; 1 for nothing.

    Raises:
        InputError: shapes that disagree, numbers that are not finite, or a value out of range.
    """

    weight: Float[np.ndarray, "feature output"]
    bias: Float[np.ndarray, "output"]
    loss: Loss
    penalty: float
    mean: Float[np.ndarray, "feature"] | float = 0.0
    scale: Float[np.ndarray, "feature"] | float = 1.0

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[1:]:
            raise InputError(
                f"weight and bias have shapes {self.weight.shape} and {self.bias.shape}: "
                "give (features, outputs) and (outputs,)."
            )
        if self.loss not in ("logistic", "softmax", "squared"):
            raise InputError(f"loss is {self.loss!r}: choose logistic, softmax or squared.")
        outputs = len(self.bias)
        if (self.loss == "logistic") != (outputs == 1) and self.loss != "squared":
            raise InputError(
                f"loss is {self.loss!r} and there are {outputs} outputs: softmax has 2 or more, logistic 1."
            )
        if not (np.isfinite(self.weight).all() and np.isfinite(self.bias).all()):
            raise InputError("weight or bias is NaN or infinite: give a model that converged.")
        if not 0 <= self.penalty < np.inf:
            raise InputError(f"penalty is {self.penalty}: give 0 or more.")
        for part in (self.mean, self.scale):
            if np.shape(part) not in ((), self.weight.shape[:1]):
                raise InputError(f"mean or scale has shape {np.shape(part)}: give a number for each feature.")
        if not (np.asarray(self.scale) > 0).all():
            raise InputError("scale is 0 or less somewhere: give 1 for a feature that is not scaled.")

    @classmethod
    def from_estimator(cls, estimator: Any) -> LinearModel:
        """A fitted LogisticRegression or Ridge of scikit-learn, alone or behind a StandardScaler.

        Raises:
            InputError: another estimator, or one whose objective has no bias or another penalty.
        """
        parts = [part for _, part in estimator.steps] if isinstance(estimator, Pipeline) else [estimator]
        last, before = parts[-1], parts[:-1]
        linear = isinstance(last, LogisticRegression | Ridge) and hasattr(last, "coef_")
        if not linear or len(before) > 1 or not all(isinstance(part, StandardScaler) for part in before):
            raise InputError(
                f"{type(last).__name__} is no fitted linear model with a known objective: give LogisticRegression or "
                "Ridge, alone or behind a StandardScaler."
            )
        _plain_objective(last)
        weight, bias = np.atleast_2d(last.coef_).T.astype(np.float64), np.atleast_1d(last.intercept_).astype(np.float64)
        scaler: Any = before[0] if before else None
        mean = 0.0 if scaler is None or scaler.mean_ is None else scaler.mean_
        scale = 1.0 if scaler is None or scaler.scale_ is None else scaler.scale_
        if isinstance(last, Ridge):
            return cls(weight=weight, bias=bias, loss="squared", penalty=float(last.alpha), mean=mean, scale=scale)
        loss: Loss = "logistic" if len(bias) == 1 else "softmax"
        penalty = 0.0 if np.isinf(last.C) else 1 / float(last.C)
        return cls(weight=weight, bias=bias, loss=loss, penalty=penalty, mean=mean, scale=scale)

    def scaled(self, x: Shaped[np.ndarray, "record feature"]) -> Float[np.ndarray, "record feature"]:
        """Records as the weights take them."""
        return (np.asarray(x, np.float64) - self.mean) / self.scale

    def predict(self, scaled: Float[np.ndarray, "record feature"]) -> Float[np.ndarray, "record output"]:
        """What the gradient of the loss compares with the answer, of scaled records."""
        z = scaled @ self.weight + self.bias
        return {"logistic": expit, "softmax": lambda z: softmax(z, axis=1), "squared": lambda z: z}[self.loss](z)

    def answers(self, y: Shaped[np.ndarray, "record *answer"]) -> Float[np.ndarray, "record output"]:
        """Labels as the loss takes them.

        Raises:
            InputError: labels that the loss does not take.
        """
        y = np.asarray(y)
        if self.loss == "squared":
            return y.reshape(len(y), -1).astype(np.float64)
        classes = max(len(self.bias), 2)
        if not np.isin(y, np.arange(classes)).all():
            raise InputError(f"y holds other than the classes 0 to {classes - 1}: renumber the labels from 0.")
        return np.eye(classes)[y.astype(int)] if self.loss == "softmax" else y[:, np.newaxis].astype(np.float64)


def _plain_objective(model: LogisticRegression | Ridge) -> None:
    """Refuse what the formula does not cover."""
    wrong = {
        "fit_intercept": not model.fit_intercept,
        "positive": bool(getattr(model, "positive", False)),
        "class_weight": getattr(model, "class_weight", None) is not None,
        "l1_ratio": getattr(model, "l1_ratio", 0) not in (0, 0.0, None),
        "solver": getattr(model, "solver", "") == "liblinear",  # it penalises the bias
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise InputError(
                f"{name} of the {type(model).__name__} is {getattr(model, name)!r}: its objective must have a bias that is "
                "not penalised, an L2 penalty, and equal weights of all records."
            )

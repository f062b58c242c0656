"""The missing record of a convex model, by an adversary who knows all the others (Balle, Cherubin and Hayes 2022).

The weights W["feature output"] and bias b["output"] minimise

    sum_i loss(W^T x_i + b, y_i) + penalty / 2 |W|^2

so the gradient is 0 there. With e_i = prediction - answer, the part of one missing record is what the others leave:

    x e^T = -penalty W - sum_known x_i e_i^T        e = -sum_known e_i

The first has rank one and the second gives its scale: x = (x e^T) e / |e|^2. The missing answer is the prediction at x
less e. The bias must be there and not penalised; without it the scale is lost.

    loss       prediction                answer                            outputs
    logistic   1 / (1 + exp(-z))         0 or 1                            1
    softmax    softmax(z)                one-hot of a class                2 or more
    squared    z, the loss |z - y|^2/2   numbers ["record"] or ["record output"]   1 or more

With a mean in place of the sum, penalty is the coefficient times the number of records, the missing one counted.
scikit-learn's LogisticRegression(C=c) has penalty 1 / c; its Ridge(alpha=a) has penalty a.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import expit, softmax

from jaxattack.types import InputError

Loss = Literal["logistic", "softmax", "squared"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Convex:
    """A trained linear model, and the objective that it minimises.

    Attributes:
        weight: W.
        bias: b.
        loss: logistic, softmax or squared.
        penalty: of W, at least 0.

    Raises:
        InputError: shapes that disagree, numbers that are not finite, or a value out of range.
    """

    weight: Float[np.ndarray, "feature output"]
    bias: Float[np.ndarray, "output"]
    loss: Loss
    penalty: float

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

    def predict(self, x: Float[np.ndarray, "record feature"]) -> Float[np.ndarray, "record output"]:
        """What the gradient of the loss compares with the answer."""
        z = np.asarray(x, np.float64) @ self.weight + self.bias
        return {"logistic": expit, "softmax": lambda z: softmax(z, axis=1), "squared": lambda z: z}[self.loss](z)

    def answers(self, y: Shaped[np.ndarray, "record"]) -> Float[np.ndarray, "record output"]:
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


class Missing(NamedTuple):
    """A record that was solved for.

    Attributes:
        x: Float["feature"], the record.
        y: its label; of the squared loss, Float["output"], its answers.
        residual: how far x e^T is from rank one, relative to its size, where there are several outputs; 0 if exact, and
            NaN for one output, where there is nothing to check by.
    """

    x: np.ndarray
    y: int | np.ndarray
    residual: float


def solve(
    victim: Convex, x: Float[np.ndarray, "record feature"], y: Shaped[np.ndarray, "record"], *, tolerance: float = 1e-9
) -> Missing:
    """The one training record that is not given.

    Args:
        victim: the model at its minimum; an error of the optimiser goes into the record, over the size of e.
        x: every other training record.
        y: their labels.
        tolerance: the smallest size of e that can be divided by.

    Raises:
        InputError: records of another width, labels that do not fit, or a missing record without influence: the others
            explain the weights.
    """
    known = np.asarray(x, np.float64)
    if known.ndim != 2 or known.shape[1] != len(victim.weight) or len(known) != len(y):
        raise InputError(
            f"x and y have shapes {known.shape} and {np.shape(y)} and the model takes {len(victim.weight)} features: "
            "give the other training records and their labels."
        )
    error = victim.predict(known) - victim.answers(y)
    missing = -error.sum(axis=0)
    outer = -victim.penalty * victim.weight - known.T @ error
    size = float(missing @ missing)
    if not size > tolerance**2:
        raise InputError(
            f"the gradient of the known records sums to {size**0.5:.1e}, within the tolerance {tolerance:.1e}: "
            "the missing record has no influence on this model, or nothing is missing."
        )
    record = outer @ missing / size
    residual = float(np.linalg.norm(outer - np.outer(record, missing)) / np.linalg.norm(outer)) if outer.any() else 0.0
    answer = victim.predict(record[np.newaxis])[0] - missing
    # The error is below 0 at the record's own class alone.
    label = {
        "logistic": lambda: int(missing[0] < 0),
        "softmax": lambda: int(missing.argmin()),
        "squared": lambda: answer,
    }
    return Missing(record, label[victim.loss](), residual if len(missing) > 1 else float("nan"))

"""The missing record of a convex model, by an adversary who knows all the others (Balle, Cherubin and Hayes 2022).

At the minimum of the objective of a `LinearModel` its gradient is 0. With e_i = prediction - answer, the part of one
missing record is what the others leave:

    s e^T = -penalty W - sum_known s_i e_i^T        e = -sum_known e_i

The first has rank one and the second gives its scale: s = (s e^T) e / |e|^2. The missing answer is the prediction at s
less e. The bias must be there and not penalised; without it the scale is lost.

How far an optimiser stopped short of the minimum goes into the record, over |e|: a record that the model fits well has a
small e. The attack's score is |e|.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.attacks.reconstruction.knowledge import Knowledge, require
from jaxattack.attacks.reconstruction.linear_model import LinearModel
from jaxattack.types import Goal, InputError, Level, Need, Progress, Reconstruction, above_zero, config

TOLERANCE = 1e-9
"""The smallest |e| that is divided by: below it rounding alone would be reconstructed (Balle et al. divide without)."""


class Missing(NamedTuple):
    """A record that was solved for.

    Attributes:
        x: Float["feature"], the record.
        y: its label; of the squared loss, Float["output"], its answers.
        size: |e|.
        residual: how far s e^T is from rank one, relative to its size, where there are several outputs; 0 if exact, and
            NaN for one output, where there is nothing to check by.
    """

    x: np.ndarray
    y: int | np.ndarray
    size: float
    residual: float


def solve(
    victim: LinearModel,
    x: Float[np.ndarray, "record feature"],
    y: Shaped[np.ndarray, "record *answer"],
    *,
    tolerance: float = TOLERANCE,
) -> Missing:
    """The one training record that is not given.

    Args:
        victim: the model at its minimum.
        x: every other training record.
        y: their labels; of the squared loss, one or several numbers each.
        tolerance: the smallest |e| that can be divided by.

    Raises:
        InputError: records of another width, labels that do not fit, or a missing record without influence: the others
            explain the weights.
    """
    missing = _missing(victim, x, y, tolerance)
    if missing is None:
        raise InputError(
            f"the gradient of the known records sums to less than the tolerance {tolerance:.1e}: the missing record has no "
            "influence on this model, or nothing is missing."
        )
    return missing


def _missing(victim: LinearModel, x: np.ndarray, y: np.ndarray, tolerance: float) -> Missing | None:
    """As `solve`; None for a record without influence."""
    if np.ndim(x) != 2 or np.shape(x)[1] != len(victim.weight) or len(x) != len(y):
        raise InputError(
            f"x and y have shapes {np.shape(x)} and {np.shape(y)} and the model takes {len(victim.weight)} features: "
            "give the other training records and their labels."
        )
    rest = victim.scaled(x)
    error = victim.predict(rest) - victim.answers(y)
    missing, outer = -error.sum(axis=0), -victim.penalty * victim.weight - rest.T @ error
    size = float(np.linalg.norm(missing))
    if not size > tolerance:
        return None
    record = outer @ missing / size**2
    residual = float(np.linalg.norm(outer - np.outer(record, missing)) / np.linalg.norm(outer)) if outer.any() else 0.0
    return Missing(
        record * victim.scale + victim.mean,
        _answer(victim, record, missing),
        size,
        residual if len(missing) > 1 else float("nan"),
    )


def _answer(victim: LinearModel, scaled: Float[np.ndarray, "feature"], error: Float[np.ndarray, "output"]):
    """The missing answer: the error is below 0 at the record's own class alone."""
    if victim.loss == "squared":
        return victim.predict(scaled[np.newaxis])[0] - error
    return int(error.argmin()) if victim.loss == "softmax" else int(error[0] < 0)


@config
class Convex:
    """The missing record of a linear model at its minimum, in closed form.

    Attributes:
        tolerance: the smallest |e| that is divided by; a record with less influence is not reconstructed.

    Raises:
        InputError: a value out of range.
    """

    tolerance: float = TOLERANCE

    name = "convex"
    paper = "Balle et al. 2022"
    goal: ClassVar[Goal] = "record"
    needs: ClassVar[tuple[Need, ...]] = ("linear", "known")
    levels: ClassVar[tuple[Level, ...]] = ()

    def __post_init__(self) -> None:
        above_zero(tolerance=self.tolerance)

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Solve for the record that is missing from each entry of ``known``; the score is |e|."""
        del seed  # nothing is random
        victim, others = require(self, knowledge)
        features = len(victim.weight)
        x, label = np.full((len(others), features), np.nan), np.full(len(others), -1)
        size, residual = np.full(len(others), np.nan), np.full(len(others), np.nan)
        for at, one in enumerate(others):
            missing = _missing(victim, one.x.reshape(len(one.x), -1), one.y, self.tolerance)
            if missing is not None:
                x[at], size[at], residual[at] = missing.x, missing.size, missing.residual
                label[at] = missing.y if victim.loss != "squared" else -1
            if progress:
                progress("records", at + 1, len(others))
        without_influence = int(np.isnan(size).sum())
        return Reconstruction(
            attack=self.name,
            goal=self.goal,
            value=x.reshape(len(others), *others[0].x.shape[1:]),
            score=size,
            label=None if victim.loss == "squared" else label,
            complete=not without_influence,
            reason=f"{without_influence} of {len(others)} records have no influence on the model."
            if without_influence
            else "",
            notes={"rank-one residual, median": float(np.nanmedian(residual))} if len(victim.bias) > 1 else {},
        )

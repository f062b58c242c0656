"""Binary logistic, softmax and linear regression by one linear least squares (Tramèr et al. 2016, section 4.1).

ln p_i - ln p_j is linear in the columns of the feature map, so d + 1 queries determine every weight and bias. The
queries are a cosine design (`designs`), the solve is a QR in float64, the rows weighted by how exactly their answer
is known. Weights are determined up to a shift shared by the classes: they are given with zero mean over classes, for two
classes too, where logistic regression's w is then (-w/2, w/2). Logits determine them without that.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_triangular

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.designs import Equations, ask, cosines
from jaxattack.attacks.extraction.equations.families import linear_draft, softmax_logits
from jaxattack.attacks.extraction.equations.features import Columns, require_map
from jaxattack.attacks.extraction.equations.terms import equations, noise
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import NUMBERS, Access, Draft, InputError, config

MISFIT = 1e3
"""A residual so many times larger than the rounding of the answers shows that they are those of another model."""


class Solution(NamedTuple):
    """A linear least squares solution.

    Attributes:
        weight: Float["column output"].
        bias: Float["output"].
        residual: root mean square of what is left of the equations, each in units of its row's noise.
        rank: of the weighted columns and the constant.
    """

    weight: Float[np.ndarray, "column output"]
    bias: Float[np.ndarray, "output"]
    residual: float
    rank: int


def solve(
    columns: Float[np.ndarray, "query column"],
    target: Float[np.ndarray, "query output"],
    off: Float[np.ndarray, "query"],
) -> Solution:
    """Least squares of target = columns W + b, rows weighted by 1 / off.

    Args:
        columns: of any scale; those that do not determine a weight are left out by least norm.
        target: right-hand sides.
        off: the noise of each row.
    """
    mean, deviation = columns.mean(axis=0), columns.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    weight = off.min() / off
    system = np.concatenate([(columns - mean) / deviation, np.ones((len(columns), 1)), target], axis=1)
    triangle = np.asarray(np.linalg.qr(system * weight[:, None], mode="r"))
    size = columns.shape[1] + 1
    left, right = triangle[:size, :size], triangle[:size, size:]
    pivots = np.abs(np.diagonal(left))
    rank = int((pivots > 1e-12 * pivots.max()).sum())
    if rank == size:
        solution = solve_triangular(left, right)
    else:
        solution, _, rank, _ = np.linalg.lstsq(left, right, rcond=1e-12)
    slope = solution[:-1] / deviation[:, None]
    rest = triangle[size:, size:]
    freedom = max((len(columns) - rank) * target.shape[1], 1)
    return Solution(
        slope, solution[-1] - mean @ slope, float(np.linalg.norm(rest) / off.min() / freedom**0.5), int(rank)
    )


@config
class OnColumns(Attack):
    """An attack on a weight for each class and column of a feature map.

    Attributes:
        queries: how many to ask; None for the attack's own figure.
        features: the feature map, as in `features`.

    Raises:
        InputError: a value out of range.
    """

    queries: int | None = None
    features: str = "linear"

    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False

    def __post_init__(self) -> None:
        require_map(self.features)
        if self.queries is not None and self.queries < 2:
            raise InputError(f"queries is {self.queries}: give at least one more than features, or none for a default.")

    def size(self, access: Access) -> int:
        """Unknowns of a class: columns, and the constant."""
        return int(Columns.of(self.features, access).varies.sum()) + 1

    def needs(self, access: Access) -> int:
        """One query more than columns."""
        return self.size(access)

    def equations(self: Any, theft: Theft, queries: int) -> Equations:
        """Answers to a design of so many queries, or of as many as were wished for.

        Raises:
            InputError: fewer were wished for than the attack needs.
        """
        needs, inputs = self.needs(theft.access), theft.access.inputs
        if self.queries is not None and self.queries < needs:
            raise InputError(
                f"queries is {self.queries} and this victim has {self.size(theft.access) - 1} columns: "
                f"give at least {needs}."
            )
        design = cosines if self.features == "linear" else uniform
        draw = partial(design, inputs, rng=theft.rng)
        return ask(self, theft.oracle, draw, self.queries or queries, theft.rng)


@config
class Softmax(OnColumns):
    """Steal a softmax, logistic or linear regression on a feature map.

    Attributes:
        queries: how many to ask; by default as few as determine it, one more than columns.
        features: the feature map, as in `features`.

    Raises:
        InputError: a value out of range.
    """

    name = "softmax"
    every_class = True

    def run(self, theft: Theft) -> Draft:
        """Steal the regression.

        Returns:
            Parameters ``weight`` ["column cls"] and ``bias``. Notes: ``unknowns``; ``saturated`` queries, which were
            replaced; ``residual``, in units of the answers' rounding, where there were more queries than needed.
        """
        access, needs = theft.access, self.needs(theft.access)
        system = self.equations(theft, needs)
        columns = Columns.of(self.features, access)
        weight, bias, solution = fit(system, columns, access)
        reason = _reason(solution, len(system.x), needs, system)
        return linear_draft(
            softmax_logits,
            columns,
            access,
            weight,
            bias,
            stop=reason,
            notes={
                "features": self.features,
                "unknowns": needs * access.classes,
                "saturated": system.saturated,
                **({"residual": solution.residual} if len(system.x) > needs else {}),
            },
        )


def fit(
    system: Equations, columns: Columns, access: Access
) -> tuple[Float[np.ndarray, "column cls"], Float[np.ndarray, "cls"], Solution]:
    """Weights and bias of every class, and the solution of the equations behind them."""
    basis = equations(access)
    if not len(system.x):
        nothing = np.zeros((int(columns.varies.sum()), access.classes))
        return nothing, np.zeros(access.classes), Solution(nothing, np.zeros(access.classes), 0.0, 0)
    solution = solve(columns(system.x), system.score @ basis, noise(access, system.score))
    return solution.weight @ basis.T, basis @ solution.bias, solution


def _reason(solution: Solution, usable: int, needs: int, system: Equations) -> str:
    if system.refusal is not None:
        return (
            f"{system.refusal} {needs - usable:,} more queries are needed, because {system.saturated} were saturated."
        )
    if solution.rank < needs:
        return (
            f"only {solution.rank} of {needs} equations are independent, {system.saturated} queries being saturated: "
            "ask more queries."
        )
    if usable > needs and solution.residual > MISFIT:
        return (
            f"the answers are not those of such a model: the equations are {solution.residual:.1e} times further off than "
            "rounding explains; try another feature map or family."
        )
    return ""

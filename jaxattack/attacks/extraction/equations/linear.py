"""Binary logistic, softmax and linear regression by one linear least squares (Tramèr et al. 2016, section 4.1).

ln p_i - ln p_j is linear in the columns of the feature map, so d + 1 queries determine every weight and bias. The
queries are a cosine design (`designs`), the solve is a QR with pivots in float64, the rows weighted by how exactly their answer
is known. Weights are determined up to a shift shared by the classes: they are given with zero mean over classes, for two
classes too, where logistic regression's w is then (-w/2, w/2). Logits determine them without that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import lstsq

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.designs import RANK, ask_design, ask_missing, cosines, independent
from jaxattack.attacks.extraction.equations.families import Logits, draft, or_constant, softmax_logits
from jaxattack.attacks.extraction.equations.features import FEATURE_MAPS, Columns
from jaxattack.attacks.extraction.equations.tape import Tape
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import NUMBERS, Access, Draft, InputError, config

MISFIT = 1e3
"""A residual so many times larger than the rounding of the answers shows that they are those of another model. Of the 72 regressions
of `designs` all are complete from 100 to 1e6, 71 with 5."""


class Solution(NamedTuple):
    """A linear least squares solution: weights, root mean square of the residual in units of each row's noise, and rank."""

    weight: Float[np.ndarray, "column output"]
    residual: float
    rank: int


def solve(
    columns: Float[np.ndarray, "query column"],
    target: Float[np.ndarray, "query output"],
    off: Float[np.ndarray, "query"],
) -> Solution:
    """Least squares of target = columns W, rows weighted by 1 / off; of several solutions the shortest."""
    share = (off.min() / off)[:, None]
    solution: Any = lstsq(share * columns, share * target, cond=RANK, lapack_driver="gelsy")
    weight, _, rank, _ = solution
    rest = np.linalg.norm(share * (columns @ weight - target)) / off.min()
    return Solution(weight, float(rest / max((len(columns) - rank) * target.shape[1], 1) ** 0.5), int(rank))


@config
class OnColumns(Attack):
    """An attack on a weight for each class and column of a feature map; its ``queries`` are its own number by default."""

    queries: int | None = None
    features: str = "linear"

    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False

    def __post_init__(self) -> None:
        if self.features not in FEATURE_MAPS:
            raise InputError(f"features is {self.features!r}: choose {', '.join(FEATURE_MAPS)}.")
        if self.queries is not None and self.queries < 2:
            raise InputError(f"queries is {self.queries}: give at least one more than features, or none for a default.")

    def size(self, access: Access) -> int:
        """Unknowns of a class: columns, and the constant."""
        return int(Columns.of(self.features, access).varies.sum()) + 1

    def needs(self, access: Access) -> int:
        """One query more than columns."""
        return self.size(access)

    def count(self, access: Access, default: int) -> int:
        """How many queries to ask; an `InputError` where fewer than are needed were wished for."""
        needs, queries = self.needs(access), self.queries or default
        if queries < needs:
            raise InputError(
                f"queries is {queries} and this victim has {self.size(access) - 1} columns: give at least {needs}."
            )
        return queries

    def tape(self, theft: Theft, default: int) -> Tape:
        """Answers to a design of so many queries, or of as many as were wished for."""
        tape, design = Tape(theft.oracle), cosines if self.features == "linear" else uniform
        columns, inputs, rng = Columns.of(self.features, theft.access), theft.access.inputs, theft.rng
        x = design(inputs, self.count(theft.access, default), rng)
        ask_design(tape, independent(columns, x[:0], inputs, x, rng), rng)
        if self.queries is None:
            ask_missing(tape, columns, rng)
        tape.require(self.needs(theft.access))
        return tape

    def draft(self, theft: Theft, link: Logits, weight: Float[np.ndarray, "column cls"], **fields: Any) -> Draft:
        """What was stolen; of the weights the constant is the last."""
        columns = Columns.of(self.features, theft.access)
        unknowns = theft.access.classes * self.size(theft.access)
        notes = {"features": self.features, "unknowns": unknowns, **fields.pop("notes")}
        return draft(link, columns.parameters(weight), theft.access, columns, notes=notes, **fields)


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

    @or_constant
    def run(self, theft: Theft) -> Draft:
        """Steal the regression.

        Returns:
            Parameters ``weight`` ["column cls"] and ``bias``. Notes: ``unknowns``; ``saturated`` queries, which were
            replaced; ``residual``, in units of the answers' rounding, where there were more queries than needed.
        """
        needs = self.needs(theft.access)
        tape = self.tape(theft, needs)
        solution, usable = fit(tape, self.features), len(tape.data.x)
        reason = shortage(tape, needs)
        if not reason and solution.rank < needs:
            reason = f"only {solution.rank} of {needs} equations are independent: ask more queries."
        if not reason and usable > needs and solution.residual > MISFIT:
            reason = (
                f"the answers are not those of such a model: the equations are {solution.residual:.1e} times further off "
                "than rounding explains; try another feature map or family."
            )
        notes = {"saturated": tape.total - usable, **({"residual": solution.residual} if usable > needs else {})}
        return self.draft(theft, softmax_logits, solution.weight, stop=reason, notes=notes)


def fit(tape: Tape, features: str) -> Solution:
    """Softmax regression on everything asked, the weights of every class."""
    data = tape.data
    solution = solve(Columns.of(features, tape.access)(data.x), data.target @ tape.basis, tape.off)
    return solution._replace(weight=solution.weight @ tape.basis.T)


def shortage(tape: Tape, needs: int) -> str:
    """Why a tape has fewer equations than are needed; empty where it has enough."""
    usable = len(tape.data.x)
    if usable >= needs:
        return ""
    more = f"{needs - usable:,} more queries are needed, because {tape.total - usable} were saturated."
    return more if tape.refusal is None else f"{tape.refusal} {more}"

"""One-vs-rest logistic regression (Tramèr et al. 2016, section 4.1.2): p_i = s(z_i) / sum_j s(z_j), s the sigmoid.

Every class has a logistic regression of its own, z = phi(x) W + b, and the service divides by their sum, as scikit-learn's
OneVsRestClassifier does. The sum hides a number for each query: ln p_i - ln p_j = ln s(z_i) - ln s(z_j), c - 1 equations
for c (columns + 1) unknowns. Where all z are far below 0, s(z) is exp(z), and only differences of weights count: that is
softmax. What is left of it, where some z is not, tells the rest.

1. A linear least squares on the centred ln p, as for softmax, gives what classes do not share.
2. What they share is at first a constant, one of several, so that z starts below, around or above 0.
3. Levenberg-Marquardt from each, until one fits to rounding.

Two classes are one logistic regression, z_0 = -z_1, because the service answers s(z_1) and the rest: solved as softmax is.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.equations.designs import Equations
from jaxattack.attacks.extraction.equations.families import linear_draft, one_vs_rest_logits, score_residual
from jaxattack.attacks.extraction.equations.features import Columns
from jaxattack.attacks.extraction.equations.linear import MISFIT, OnColumns, fit
from jaxattack.attacks.extraction.equations.terms import noise, resolution
from jaxattack.attacks.extraction.verification import Theft
from jaxattack.attacks.search.least_squares import Data, Fit, first_fit
from jaxattack.types import Access, Draft, Level, config

ALONE: tuple[Level, ...] = ("probability",)
"""The level that the sum of one classifier for each class is seen at."""

SHIFTS = (-2.0, 0.0, -5.0, 2.0, -1.0, -3.5, 1.0, -8.0)
"""What is added to every bias of the start, in turn."""

FITS = 5.0
"""A fit is as exact as the answers where its residual is at most so many times their noise."""

SPARE = 2
"""Equations for each unknown, by default."""


@config
class OneVsRest(OnColumns):
    """Steal a one-vs-rest logistic regression on a feature map.

    Attributes:
        queries: how many to ask; by default two equations for each unknown.
        features: the feature map, as in `features`.

    Raises:
        InputError: a value out of range.
    """

    name = "ovr"
    levels = ALONE
    every_class = True

    def needs(self, access: Access) -> int:
        """An equation for each unknown."""
        size = self.size(access)
        return size if access.classes == 2 else -(-access.classes * size // (access.classes - 1))

    def run(self, theft: Theft) -> Draft:
        """Steal the regressions.

        Returns:
            Parameters ``weight`` ["column cls"] and ``bias``, of z. Notes: ``unknowns``; ``saturated`` queries, which were
            replaced; ``residual``, root mean square over equations.
        """
        access, needs, columns = theft.access, self.needs(theft.access), Columns.of(self.features, theft.access)
        system = self.equations(theft, needs if access.classes == 2 else SPARE * needs)
        solution, reason = _solve(system, columns, access, needs)
        return linear_draft(
            one_vs_rest_logits,
            columns,
            access,
            solution.parameters["weight"],
            solution.parameters["bias"],
            stop=reason,
            notes={
                "unknowns": access.classes * self.size(access),
                "saturated": system.saturated,
                "residual": solution.rms,
            },
        )


def _solve(system: Equations, columns: Columns, access: Access, needs: int) -> tuple[Fit, str]:
    """Weights and biases of z, and why they are not exact."""
    weight, bias, linear = fit(system, columns, access)
    off = noise(access, system.score) if len(system.x) else np.array([np.inf])
    if access.classes == 2:
        # ln s(z) - ln s(-z) = z is the difference of two logits of softmax, which are the half each.
        solution = Fit({"weight": 2 * weight, "bias": 2 * bias}, linear.residual * float(np.median(off)), 0)
        misfit = linear.residual > MISFIT
    elif len(system.x):
        solution = _best_fit(weight, bias, Data(columns(system.x), system.score, off.min() / off), float(off.min()))
        misfit = solution.rms > max(FITS * float(off.min()), resolution(access) if access.decimals is not None else 0)
    else:
        solution, misfit = Fit({"weight": weight, "bias": bias}, float("nan"), 0), False
    if len(system.x) < needs:
        shortage = f"{needs - len(system.x):,} more queries are needed, because {system.saturated} were saturated."
        return solution, f"{system.refusal} {shortage}" if system.refusal is not None else shortage
    if misfit:
        return (
            solution,
            f"the answers are not those of such a model, or too few: the equations are off by {solution.rms:.1e}.",
        )
    return solution, ""


def _best_fit(weight: Float[np.ndarray, "column cls"], bias: Float[np.ndarray, "cls"], data: Data, off: float) -> Fit:
    """The best fit from each start in turn, until one fits."""
    residual = score_residual(one_vs_rest_logits, "probability", len(bias))
    starts = [{"weight": weight, "bias": bias + shift} for shift in SHIFTS]
    return first_fit(residual, starts, data, tolerance=off, enough=FITS, steps=200)

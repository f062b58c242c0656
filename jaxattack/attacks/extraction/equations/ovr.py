"""One-vs-rest logistic regression (Tramèr et al. 2016, section 4.1.2): p_i = s(z_i) / sum_j s(z_j), s the sigmoid.

Every class has a logistic regression of its own, z = phi(x) W + b, and the service divides by their sum, as scikit-learn's
OneVsRestClassifier does. The sum hides a number for each query: ln p_i - ln p_j = ln s(z_i) - ln s(z_j), c - 1 equations
for c (columns + 1) unknowns. Where all z are far below 0, s(z) is exp(z), and only differences of weights count: that is
softmax. What is left of it, where some z is not, tells the rest.

1. A linear least squares on the centred ln p, as for softmax, gives what classes do not share.
2. What they share is at first a constant, one of several, so that z starts below, around or above 0.
3. Levenberg-Marquardt from each, until one fits to rounding.

Two classes are one logistic regression, z_0 = -z_1, because the service answers s(z_1) and the rest: that is softmax.
"""

from __future__ import annotations

import numpy as np

from jaxattack.attacks.extraction.equations.families import one_vs_rest_logits, or_constant, score_residual
from jaxattack.attacks.extraction.equations.features import Columns
from jaxattack.attacks.extraction.equations.linear import OnColumns, Softmax, fit, shortage
from jaxattack.attacks.extraction.equations.terms import FITS, resolution
from jaxattack.attacks.extraction.verification import Theft
from jaxattack.attacks.search.least_squares import Data, first_fit
from jaxattack.types import Access, Draft, Level, config

ALONE: tuple[Level, ...] = ("probability",)
"""The level that the sum of one classifier for each class is seen at."""

SHIFTS = (-2.0, 2.0, -6.0)
"""What is added to every bias of the start, in turn. From 0 alone 1 of 38 regressions is missed, from eight none more comes out."""

SPARE = 2
"""Equations for each unknown, by default. Of 24 regressions, 4 to 20 features, half of float32, all are complete; with one 14, with four all."""


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

    @or_constant
    def run(self, theft: Theft) -> Draft:
        """Steal the regressions.

        Returns:
            Parameters ``weight`` ["column cls"] and ``bias``, of z; of two classes those of `Softmax`. Notes: ``unknowns``;
            ``saturated`` queries, which were replaced; ``residual``, root mean square over equations.
        """
        if theft.access.classes == 2:
            return Softmax(queries=self.queries, features=self.features).run(theft)
        access, needs = theft.access, self.needs(theft.access)
        tape = self.tape(theft, SPARE * needs)
        data, off, start = tape.data, tape.off, fit(tape, self.features).weight
        columns = Columns.of(self.features, access)(data.x)[:, :-1]
        starts = [{"weight": start[:-1], "bias": start[-1] + shift} for shift in SHIFTS]
        residual = score_residual(one_vs_rest_logits, "probability", access.classes)
        data = Data(columns, data.target, off.min() / off)
        best = first_fit(residual, starts, data, tolerance=float(off.min()))
        reason = shortage(tape, needs)
        if best.rms > max(FITS * off.min(), resolution(access) if access.decimals is not None else 0) and not reason:
            reason = f"the answers are not those of such a model, or too few: the equations are off by {best.rms:.1e}."
        weight = np.vstack([best.parameters["weight"], best.parameters["bias"]])
        notes = {"saturated": tape.total - len(off), "residual": best.rms}
        return self.draft(theft, one_vs_rest_logits, weight, stop=reason, notes=notes)

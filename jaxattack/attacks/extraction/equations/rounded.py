"""Softmax, logistic and linear regression from rounded answers, or from those of the top k classes (bounded error).

Tramèr et al. 2016 round confidences (section 6) and solve as if they had not been; here the weights are the analytic
centre of all that round to what was answered (`bounds`). The first half of the queries are corners of the documented
range, the other half are placed by the weights so far, in rounds (`adaptive`): with corners alone 17 of 78 thefts are
complete, not 30. Unrounded answers of the top k classes are as exact as those of all; there queries are corners alone.
"""

from __future__ import annotations

from jaxattack.attacks.extraction.equations.adaptive import place, scout
from jaxattack.attacks.extraction.equations.bounds import Estimate, bounds, consistent
from jaxattack.attacks.extraction.equations.designs import independent, missing
from jaxattack.attacks.extraction.equations.families import softmax_logits
from jaxattack.attacks.extraction.equations.features import Columns
from jaxattack.attacks.extraction.equations.linear import MISFIT, OnColumns
from jaxattack.attacks.extraction.equations.tape import Tape
from jaxattack.attacks.extraction.equations.terms import equations
from jaxattack.attacks.extraction.verification import Theft
from jaxattack.types import Access, Draft, InputError, config

ROUNDS = 8
"""In which the second half of the queries are placed. Of 72 thefts of three small shapes half as many come .45 of a bit less near in total
variation, in .7 of the time; twice as many .8 nearer, in 1.4 of it."""

MOST = 6000
"""Unknowns that are solved for, in square matrices of that size: 288 MB each."""

MISSED = 0.1
"""Half steps of rounding by which another model misses an answer; the relaxed barrier misses some by a hundredth. Of 12 thefts of two to four
decimals as many are complete with half and double."""


@config
class Rounded(OnColumns):
    """Steal a softmax, logistic or linear regression from rounded or partial answers.

    Attributes:
        queries: how many to ask; by default one for each unknown, two where one class alone is answered, or as few as
            determine it where every class is answered unrounded.
        features: the feature map, as in `features`.

    Raises:
        InputError: a value out of range.
    """

    name = "rounded"
    paper = "this project, after Tramèr et al. 2016"

    def needs(self, access: Access) -> int:
        """An equation for each unknown, and one query more than columns."""
        size = self.size(access)
        outputs = equations(access).shape[1]
        return max(size, -(-size * outputs // min(access.top or access.classes, outputs)))

    def _total(self, access: Access) -> int:
        """How many queries to ask; an `InputError` where it cannot work."""
        if access.level == "probability" and access.classes < 2:
            raise InputError("classes is 1 and level is probability: one class has no odds; ask a regressor's logit.")
        needs, size = self.needs(access), self.size(access)
        if size * equations(access).shape[1] > MOST:
            raise InputError(
                f"this victim has {size * access.classes:,} unknowns and {self.name} solves for at most {MOST:,}: "
                "choose softmax, or retraining."
            )
        exact = access.decimals is None and access.top in (0, access.classes)
        each = 2 if access.top == 1 else 1
        return self.count(access, needs if exact else max(needs, each * size * access.classes))

    def run(self, theft: Theft) -> Draft:
        """Steal the regression.

        Returns:
            Parameters ``weight`` ["column cls"] and ``bias``. Notes: ``unknowns``; ``excess``, by how many half steps
            of rounding an answer is missed at most; ``scale`` of the queries.
        """
        access, rng, report = theft.access, theft.rng, theft.report
        total, needs, columns = self._total(access), self.needs(access), Columns.of(self.features, access)
        tape, placed = Tape(theft.oracle), access.decimals is not None
        around = scout(tape, self.features == "linear", total, rng)
        count = (max(-(-total // 2), needs) if placed else total) - tape.total
        if self.queries is None:
            count = max(count, missing(columns(tape.u)))
        if tape.refusal is None and count > 0:
            x = around.draw(access.inputs, count, rng)
            tape.ask_most(independent(columns, tape.u, access.inputs, x, rng, around.draw))
        tape.require(needs)
        estimate = consistent(bounds(access, columns(tape.u), tape.answer))
        while tape.refusal is None and tape.total < total:
            report("place queries", tape.total, total)
            count = min(-(-total // (2 * ROUNDS)), total - tape.total)
            tape.ask_most(place(access, columns, estimate, around, count, rng))
            estimate = consistent(bounds(access, columns(tape.u), tape.answer), estimate)
        report("place queries", total, total)
        return self.draft(
            theft,
            softmax_logits,
            estimate.weight,
            stop=_reason(tape, estimate, total),
            notes={"excess": max(estimate.excess, 0.0), "scale": around.scale},
        )


def _reason(tape: Tape, estimate: Estimate, total: int) -> str:
    if tape.refusal is not None:
        return f"{tape.refusal} It holds {tape.total:,} of the {total:,} queries that were to be asked."
    if estimate.excess > (MISSED if tape.access.decimals is not None else MISFIT):
        return (
            f"the answers are not those of such a model: one is missed by {estimate.excess:.1e} half steps of its "
            "rounding; try more queries, another feature map or another family."
        )
    return ""

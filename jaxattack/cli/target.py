"""Options of an audit of one target, which `membership` and `score` share."""

from __future__ import annotations

from typing import Annotated

from jaxattack.audit.target import TargetTerms
from jaxattack.audit.target.terms import Calibration
from jaxattack.cli.output import flat
from jaxattack.types import config


@config
class Verdicts:
    """What is said of the records of one target; without --target of no use.

    Attributes:
        fpr: the false-positive rate of the verdicts: a record is called a member where its p-value is at most this.
        calibrate: with what scores are compared: non-members, those of the target's known non-members; references, those of
            references on records that they were not trained on; record, phi of each record's own references. auto: the
            first where there are enough for the rate, else the second.
    """

    fpr: float = 0.01
    calibrate: Calibration = "auto"

    def terms(self, budget: int | None = None) -> TargetTerms:
        """The same as terms of an audit."""
        return TargetTerms(fpr=self.fpr, calibration=self.calibrate, budget=budget)


VerdictOptions = Annotated[Verdicts, flat("One target")]

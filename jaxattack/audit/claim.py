"""What an audit may claim: at which rate, of which attack, and how its intervals allow for the choice.

The strongest of many attacks looks strong by chance. An interval that allows for the choice is that of Bonferroni: with n
attacks each is widened to the confidence 1 - .05 / n, so that all of them hold at once in 95% of audits. An attack that is
declared before the audit is chosen by nobody, and its interval stays at 95%.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxattack.audit.findings.membership_attack import ComparisonFindings, DifferenceFindings
from jaxattack.metrics.differences import Difference, differences
from jaxattack.metrics.roc import allowed
from jaxattack.metrics.uncertainty import CONFIDENCE, Influences
from jaxattack.types import InputError

QUOTED = 0.001
FEW = 10  # false positives below which a rate is not quoted: fewer rest on too few records
BASELINE = "loss"


@dataclass(frozen=True, kw_only=True)
class Correction:
    """How many attacks a claim is chosen from.

    Attributes:
        attacks: how many were run.
        declared: the one that was named beforehand, if any.

    Raises:
        InputError: the declared attack is not among those that are run.
    """

    attacks: Sequence[str]
    declared: str | None = None

    def __post_init__(self) -> None:
        if self.declared is not None and self.declared not in self.attacks:
            raise InputError(
                f"declare is {self.declared!r} and the attacks are {', '.join(self.attacks)}: declare one of them, or add it."
            )

    def choices(self, attack: str) -> int:
        """From how many attacks this one is chosen: 1 where it was declared."""
        return 1 if attack == self.declared else len(self.attacks)

    def confidence(self, attack: str) -> float:
        """The confidence of its interval that allows for the choice."""
        return 1 - (1 - CONFIDENCE) / self.choices(attack)


def claimed_rate(negatives: int, fprs: Sequence[float]) -> float | None:
    """The false-positive rate to quote: 0.1% where it allows ten false positives, else the lowest that does, if any."""
    resolved = [fpr for fpr in fprs if allowed(fpr, negatives) >= FEW]
    return QUOTED if QUOTED in resolved else min(resolved, default=None)


def comparison(
    attack: str, ours: Influences, theirs: Influences, correction: Correction, names: Mapping[float, str]
) -> ComparisonFindings:
    """What an attack finds more than the baseline, at each rate and by AUC, on the same records and models.

    Args:
        attack: its name.
        ours: its influences.
        theirs: those of the baseline.
        correction: what its intervals allow for.
        names: of the rates.
    """
    figures = differences(ours, theirs)
    confidence = correction.confidence(attack)
    by_rate = {names[fpr]: _difference(figures[ours.fprs.index(fpr)], confidence) for fpr in names}
    return ComparisonFindings(attack=attack, baseline=BASELINE, tpr=by_rate, auc=_difference(figures[-1], confidence))


def _difference(difference: Difference, confidence: float) -> DifferenceFindings:
    low, high = difference.interval(confidence)
    return DifferenceFindings(difference=difference.value, interval=(low, high), better=low > 0)

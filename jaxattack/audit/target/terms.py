"""On which terms one target is audited, and what each way of calibrating its scores assumes.

Measured: every model of a sweep as the target of those that share no members with it; the share of its non-members that
verdicts at a nominal 10% and 1% call members, mean ± standard deviation over the targets.

| calibration | digits, mlp:64, 16 models | 4,000 of MNIST, cnn:8-16, 12 models |
| --- | --- | --- |
| non-members | 9.91 ± .01%, .89 ± 0% | 10 ± 0%, 1 ± 0% |
| references, rmia-online-log | 9.9 ± 1.7%, .97 ± .36% | 9.9 ± 1.9%, .88 ± .27% |
| references, calibration-online | 10.0 ± .6%, .95 ± .34% | 10.3 ± .7%, .92 ± .27% |
| references, lira-offline | 9.8 ± 2.0%, .89 ± .32% | 9.6 ± 4.7%, .90 ± .68% |
| record | 9.7 ± 1.9%, .93 ± .37% | 10.3 ± 4.1%, 1.05 ± .56% |

So those by references hold over targets that are trained as they are, and of one target to a factor of two or so. A CNN of
PyTorch on the same MNIST records, beside references trained here: references 12.5% and .95%, record 4.1% at a nominal 1%. For
that reason the record's own are not the default; nor do they rank by the attack that finds most.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int8

from jaxattack.metrics.p_values import leave_one_out_p_values, predictive_p_values, rank_p_values
from jaxattack.types import InputError, at_least, config

Scale = Literal["auto", "data", "unit", "signed", "sixteen"]
"""On what scale a target takes pictures: one of `jaxattack.audit.picture_scale.PictureScale`; or, of a file that is here and bytes, that on which it fits the records
best, and the numbers of the data elsewhere."""

Calibration = Literal["auto", "non-members", "references", "record"]
"""With what a score is compared: those of the target's known non-members; those that the references give records that they
were not trained on, each playing the target; phi of the record's own references that are out. auto: the first, where there
are enough of them for the rate of the verdicts, or references that are not like the target; else the second."""

MEMBER, NON_MEMBER, UNKNOWN = 1, 0, -1
"""What is known of a record."""

Membership = Int8[np.ndarray, "record"]

ASSUMES = {
    "non-members": (
        "Each p-value is a rank among the scores of the target's known non-members. It holds whatever the target is, if those "
        "non-members are drawn as the records in question are."
    ),
    "references": (
        "Each p-value is a rank among the scores that references give records which they were not trained on, each reference "
        "playing the target. It holds on average over records and targets, if this one was trained as the references are."
    ),
    "record": (
        "Each p-value compares phi of the target with phi of the references that were not trained on the record, as Student's "
        "t. It holds record by record if the target was trained as the references are and phi is normal over them."
    ),
}
"""What each assumes, in sentences."""


@config
class TargetTerms:
    """What is said of a target's records.

    Attributes:
        fpr: a record is called a member where its p-value is at most this: the false-positive rate of the verdicts.
        calibration: what stands behind the p-values.
        budget: questions to the target, at most; None for as many as there are.

    Raises:
        InputError: a value out of range.
    """

    fpr: float = 0.01
    calibration: Calibration = "auto"
    budget: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.fpr < 1:
            raise InputError(f"fpr is {self.fpr}: give a number between 0 and 1, such as 0.01.")
        at_least(1, budget=self.budget)

    def choose(self, available: dict[str, Null], *, alike: bool) -> str:
        """Which calibration is used, of those that there are.

        Args:
            available: by name.
            alike: whether the target may be one more of the references.

        Raises:
            InputError: the one that was asked for is not among them.
        """
        if self.calibration == "auto":
            own = available.get("non-members")
            return "references" if own is None or (alike and own.smallest > self.fpr) else "non-members"
        if self.calibration not in available:
            raise InputError(
                f"calibrate is {self.calibration!r} and there is nothing to do that with: choose from {', '.join(available)}, or "
                f"{'give members' if self.calibration == 'non-members' else 'give answers with confidences'}."
            )
        return self.calibration


class Null(NamedTuple):
    """What scores are compared with, and the p-values that follow.

    Attributes:
        p_values: of the records.
        scores: with how many each is compared, at least.
        ranks: whether p-values are ranks, which have a smallest.
    """

    p_values: Float[np.ndarray, "record"]
    scores: int
    ranks: bool = True

    @property
    def smallest(self) -> float:
        """The smallest p-value that there can be; 0 where nothing bounds it."""
        return 1 / (self.scores + 1) if self.ranks else 0.0


def nulls(
    score: Float[np.ndarray, "record"],
    known: Membership,
    reference_score: Float[np.ndarray, "model record"],
    reference_member: Bool[np.ndarray, "model record"],
    phi: tuple[Float[np.ndarray, "record"], Float[np.ndarray, "model record"]] | None,
) -> dict[str, Null]:
    """Every way of calibrating that there is.

    Args:
        score: of the target.
        known: what is known of its members.
        reference_score: of each reference as the target.
        reference_member: who each was trained on.
        phi: of the target and of the references, where there is any.
    """
    available: dict[str, Null] = {}
    others = known == NON_MEMBER
    if others.any():
        p = rank_p_values(score, score[others])
        p[others] = leave_one_out_p_values(score[others])
        available["non-members"] = Null(p, int(others.sum()))
    null = reference_score[~reference_member]
    available["references"] = Null(rank_p_values(score, null), len(null))
    if phi is not None:
        out = ~reference_member
        available["record"] = Null(predictive_p_values(*phi, out), int(out.sum(axis=0).min()), ranks=False)
    return available

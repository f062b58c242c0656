"""A judgement in findings: the verdicts, how like the target its references are, and every record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy.stats import false_discovery_control, rankdata

from jaxattack.audit.curves import rate_key
from jaxattack.audit.environment import environment
from jaxattack.audit.findings.target import TargetFindings
from jaxattack.audit.findings.target_audit import (
    CostFindings,
    OtherFindings,
    PValueFindings,
    RecordFindings,
    ReferenceFindings,
    TargetAuditFindings,
    VerdictFindings,
)
from jaxattack.audit.learning import accuracy
from jaxattack.audit.target.judgement import Judgement, summary_of
from jaxattack.audit.target.terms import MEMBER, NON_MEMBER, UNKNOWN, TargetTerms
from jaxattack.metrics import Spread
from jaxattack.types import Observations

DISCOVERY = (
    0.05  # of the records that are called members by Benjamini and Hochberg, the share that chance may account for
)
BINS = 20
UNLIKE = 0.05
"""How far the accuracy of target and references on records they were not trained on may differ before that is told: on digits
references of half the width are within .01 of the target's, such as learnt nothing are .8 away."""


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What a judgement was made of, beside the numbers.

    Attributes:
        title: one line.
        origin: of the references, as `ReferenceFindings` has it.
        what: the references in words.
        target: what was asked, where it was.
        others: the same with other references.
        ids: of the records; empty where they are numbered alone.
        notes: how the input was read, in sentences.
        config: what was asked for.
    """

    title: str
    origin: str
    what: str
    target: TargetFindings | None = None
    others: tuple[OtherFindings, ...] = ()
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)


def assemble(
    judgement: Judgement,
    target: Observations,
    references: Observations,
    terms: TargetTerms,
    occasion: Occasion,
    cost: CostFindings,
    numbers: Int[np.ndarray, "record"] | None = None,
) -> TargetAuditFindings:
    """The findings of one target.

    Args:
        judgement: of it.
        target: one model.
        references: the others.
        terms: of the verdicts.
        occasion: what else the findings say.
        cost: what all of it cost.
        numbers: of the records in the data; as they come by default.
    """
    fit = _fit(judgement, target, references, occasion)
    calibration = judgement.calibrations[judgement.used]
    return TargetAuditFindings(
        title=occasion.title,
        target=occasion.target,
        attack=judgement.attack,
        choices=judgement.choices,
        references=fit,
        attacks=judgement.attacks,
        verdicts=_verdicts(judgement, terms),
        calibration=calibration,
        calibrations=tuple(judgement.calibrations.values()),
        p_values=_spread_of(judgement),
        others=occasion.others,
        records=_records(judgement, target, references, terms, numbers, occasion.ids),
        notes=(*occasion.notes, *judgement.notes, *_doubts(judgement, fit, target, terms)),
        cost=cost,
        config=occasion.config,
        environment=environment(),
    )


def other(
    first: Judgement, second: Judgement, references: Observations, terms: TargetTerms, what: str
) -> OtherFindings:
    """The attack with other references beside the first.

    Args:
        first: by the references that the findings are of.
        second: by the others, of the same attack.
        references: the others.
        terms: of the verdicts.
        what: they are, in words.
    """
    summary = summary_of(second.score, second.known, (terms.fpr,))
    _, rows, others = np.intersect1d(first.number, second.number, return_indices=True)
    called = second.p_value <= terms.fpr
    both = called[others] & (first.p_value[rows] <= terms.fpr)
    non_members = second.known == NON_MEMBER
    entry = second.attacks[0]
    with np.errstate(invalid="ignore", divide="ignore"):  # scores that are all the same have no ranks to compare
        correlation = float(np.corrcoef(rankdata(first.score[rows]), rankdata(second.score[others]))[0, 1])
    return OtherFindings(
        what=what,
        reference_auc=entry.reference_auc,
        test_accuracy=_accuracies(references, second.number)[1],
        auc=None if summary is None else summary.auc,
        auc_interval=None if summary is None else summary.auc_estimate.interval(),
        tpr=None if summary is None else summary.tpr[0].tpr,
        tpr_interval=None if summary is None else summary.tpr_estimate[0].interval(),
        called=int(called.sum()),
        also_called=int(both.sum()),
        rank_correlation=correlation,
        realised_fpr=float(called[non_members].mean()) if non_members.any() else None,
    )


def _verdicts(judgement: Judgement, terms: TargetTerms) -> VerdictFindings:
    known, p = judgement.known, judgement.p_value
    called, members, others = p <= terms.fpr, known == MEMBER, known == NON_MEMBER
    discovered = false_discovery_control(p) <= DISCOVERY
    return VerdictFindings(
        fpr=terms.fpr,
        records=len(p),
        called=int(called.sum()),
        expected=float(terms.fpr * (len(p) - members.sum())),
        members=int(members.sum()),
        non_members=int(others.sum()),
        right=int((called & members).sum()),
        wrong=int((called & others).sum()),
        discoveries=int(discovered.sum()),
        wrong_discoveries=int((discovered & others).sum()),
    )


def _spread_of(judgement: Judgement) -> PValueFindings:
    edges = np.linspace(0, 1, BINS + 1)

    def counts(side: int) -> tuple[int, ...]:
        return tuple(np.histogram(judgement.p_value[judgement.known == side], edges)[0].tolist())

    return PValueFindings(
        edges=tuple(edges.tolist()),
        member=counts(MEMBER),
        non_member=counts(NON_MEMBER),
        unknown=counts(UNKNOWN),
    )


def _records(
    judgement: Judgement,
    target: Observations,
    references: Observations,
    terms: TargetTerms,
    numbers: Int[np.ndarray, "record"] | None,
    ids: tuple[str, ...],
) -> RecordFindings:
    at = judgement.number
    names = references.names or target.names
    return RecordFindings(
        number=tuple((at if numbers is None else numbers[at]).tolist()),
        id=tuple(ids[record] for record in at) if ids else (),
        label=tuple(names[one] if names else one for one in references.label[at].tolist()),
        score=tuple(judgement.score.tolist()),
        p_value=tuple(judgement.p_value.tolist()),
        verdict=tuple("member" if p <= terms.fpr else "undecided" for p in judgement.p_value.tolist()),
        member=tuple(judgement.known.tolist()),
    )


def _right(observations: Observations, records: Int[np.ndarray, "scored"]) -> np.ndarray | None:
    return observations.signal("correct")[:, records, 0] if "correct" in observations.signals else None


def _accuracies(references: Observations, records: Int[np.ndarray, "scored"]) -> tuple[Spread | None, Spread | None]:
    right, member = _right(references, records), references.member[:, records]
    return (None, None) if right is None else (accuracy(right, member), accuracy(right, ~member))


def _fit(judgement: Judgement, target: Observations, references: Observations, occasion: Occasion) -> ReferenceFindings:
    right = _right(target, judgement.number)
    train, test = _accuracies(references, judgement.number)
    likeness = judgement.likeness

    def share(side: Bool[np.ndarray, "scored"]) -> float | None:
        return None if right is None or not side.any() else float(right[0, side].mean())

    return ReferenceFindings(
        models=references.models,
        origin=occasion.origin,
        what=occasion.what,
        train_accuracy=train,
        test_accuracy=test,
        target_train_accuracy=share(judgement.known == MEMBER),
        target_test_accuracy=share(judgement.known == NON_MEMBER),
        target_accuracy=share(judgement.known == judgement.known),
        median_phi=None if likeness is None else likeness.references,
        target_median_phi=None if likeness is None else likeness.target,
        alike=None if likeness is None else likeness.alike,
    )


def _doubts(judgement: Judgement, fit: ReferenceFindings, target: Observations, terms: TargetTerms) -> Sequence[str]:
    """What speaks against reading anything into the verdicts, in sentences."""
    notes = []
    own, theirs = fit.target_test_accuracy, fit.test_accuracy
    largest = float(np.bincount(target.label[judgement.number]).max() / len(judgement.number))
    if fit.target_accuracy is not None and fit.target_accuracy <= largest:
        notes.append(
            f"The target is right on {100 * fit.target_accuracy:.1f}% of the records, and the largest class has "
            f"{100 * largest:.1f}%: it has not learnt these, or takes them on another scale or with its classes in another order."
        )
    elif own is not None and theirs is not None and abs(own - theirs.mean) > UNLIKE:
        notes.append(
            f"On records that they were not trained on the target is right on {100 * own:.1f}% and the references on "
            f"{100 * theirs.mean:.1f}%: the attack finds less than one that imitates the target would."
        )
    if fit.alike is False and fit.median_phi is not None:
        meaning = (
            "the attack finds less than one that imitates the target would"
            if judgement.used == "non-members"
            else "these p-values do not hold. Train references as the target was, or give records that are known to be no members"
        )
        notes.append(
            f"Target and references are not trained alike: over the records the median of phi is {fit.target_median_phi:.2f} and "
            f"{fit.median_phi.mean:.2f} ± {fit.median_phi.sd:.2f}, so that {meaning}."
        )
    calibration = judgement.calibrations[judgement.used]
    if calibration.smallest is not None and calibration.smallest > terms.fpr:
        notes.append(
            f"No record can be called a member: the smallest p-value of {calibration.scores} {judgement.used} is "
            f"{calibration.smallest:.2g}, above {rate_key(terms.fpr)}. Give more of them, or a higher rate."
        )
    elif (least := judgement.p_value.min()) > terms.fpr:
        notes.append(
            f"No record can be called a member: the highest score of {judgement.attack} is reached by {100 * least:.3g}% of the scores "
            f"that it is compared with, and verdicts are at {100 * terms.fpr:g}%."
        )
    return notes

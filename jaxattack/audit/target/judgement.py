"""One target beside its references: every attack's scores of it, the strongest of them calibrated, record by record.

The references are models that know nothing of the target's members. Each of them plays the target in turn, which shows what
an attack gets where the truth is known; the attack whose scores the records have is the strongest there (by its
true-positive rate at the rate of the verdicts, then by AUC) or was declared. The target's own members decide nothing: they
are compared with the scores alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import stdtrit

from jaxattack.attacks.membership import by_label, declared_label
from jaxattack.attacks.membership.observed import scores_of
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.attacks.membership.stacking import hidden_row, stacked
from jaxattack.audit.claim import Correction
from jaxattack.audit.curves import FPRS, rate_key
from jaxattack.audit.entry import describe_attack, roc_findings
from jaxattack.audit.evaluation import by_signals
from jaxattack.audit.findings.rates import RocFindings
from jaxattack.audit.findings.target_audit import CalibrationFindings, TargetAttackFindings
from jaxattack.audit.scorable import Scorable, scorable
from jaxattack.audit.target.terms import ASSUMES, MEMBER, NON_MEMBER, UNKNOWN, Membership, Null, TargetTerms, nulls
from jaxattack.metrics import Spread, Summary, auc, roc_curve, summarise, tpr_at_fpr, varying_records
from jaxattack.signals import Phi
from jaxattack.types import InputError, MembershipAttack, Observations, Progress

STRANGE = 0.001
"""The probability of so extreme a median of phi, were the target one of the references, below which they are not trained alike.
On digits references of 10 epochs are 19 standard deviations from a target of 30, and call 75% of its non-members members at a
nominal 1%; those of 30 epochs .2, and call 1.6%."""

STRANGERS = 1e-9  # the chance that a reference has a target's members, or all others, by luck, below which it is none
FEW = 10  # scores above a threshold, below which a rate rests on too few


class Likeness(NamedTuple):
    """Whether a target may be one more of its references, by the median of phi over the records.

    Attributes:
        target: the median of the target, in nats.
        references: of the references, over the models.
        alike: whether the first may be another of the second.
    """

    target: float
    references: Spread
    alike: bool


class Judgement(NamedTuple):
    """What is said of a target.

    Attributes:
        attack: whose scores they are.
        choices: among how many it is the strongest; 1 where it was declared.
        number: of each record that was scored, in the observations.
        known: what is known of each.
        score: of each.
        p_value: of each.
        used: the calibration of the p-values.
        calibrations: every one that there is, by name.
        likeness: of target and references; None where labels alone are answered.
        attacks: that could be run, the strongest on the references first.
        notes: what was left out and why, in sentences.
    """

    attack: str
    choices: int
    number: Int[np.ndarray, "scored"]
    known: Membership
    score: Float[np.ndarray, "scored"]
    p_value: Float[np.ndarray, "scored"]
    used: str
    calibrations: Mapping[str, CalibrationFindings]
    likeness: Likeness | None
    attacks: tuple[TargetAttackFindings, ...]
    notes: tuple[str, ...]

    @property
    def summary(self) -> RocFindings | None:
        """What its attack gets of the records that are known."""
        return next(one.known for one in self.attacks if one.name == self.attack)


class _Scored(NamedTuple):
    """An attack's scores of the target, and of the references as targets."""

    name: str
    own: Float[np.ndarray, "record"]
    others: Float[np.ndarray, "model record"]
    strength: tuple[float, float]


def judge(
    target: Observations,
    references: Observations,
    known: Membership,
    attacks: Collection[MembershipAttack],
    terms: TargetTerms,
    *,
    declare: MembershipAttack | None = None,
    same_sweep: bool = False,
    unread: Bool[np.ndarray, "record"] | None = None,
    progress: Progress | None = None,
) -> Judgement:
    """Score a target's records by every attack, and calibrate the scores of the strongest.

    Args:
        target: one model.
        references: the others, of the same records and as many views of them.
        known: of the target's members; read where scores are calibrated and judged, and by no attack.
        attacks: that are run.
        terms: of the verdicts.
        declare: the one whose scores the records get; by default the strongest on the references.
        same_sweep: whether target and references drew their members together, so that those which share them out are left
            out, as for every target of a sweep; the target's members must be known for that.
        unread: records of which a signal is NaN or infinite somewhere.
        progress: called after each attack.

    Raises:
        InputError: references of other records or views, or with the target's very members; a declared attack that cannot be run, or none that can.
    """
    if (target.models, target.records) != (1, references.records):
        raise InputError(
            f"the target answers {target.records} records and the references {references.records}: give the same records."
        )
    named = by_label(attacks)
    declared = declared_label(declare)
    Correction(attacks=tuple(named), declared=declared)
    part = scorable(references.member, named, unread)
    known = known[part.records]
    if not same_sweep:
        _require_strangers(references.member[:, part.records], known)
    row = target.member if same_sweep else hidden_row(references.member)
    fprs = tuple(sorted({*FPRS, terms.fpr}, reverse=True))
    best: _Scored | None = None
    entries: list[tuple[tuple[float, float], TargetAttackFindings]] = []
    refusals: list[str] = []
    for name, attack, scored in _score_each(target, references, row, part, terms.fpr):
        if isinstance(scored, TooFewReferences):
            refusals.append(f"{name} is left out: {scored}")
            continue
        entries.append((scored.strength, _entry(attack, scored, known, fprs)))
        if declared == name or (declared is None and (best is None or scored.strength > best.strength)):
            best = scored
        if progress:
            progress("attacks", len(entries), len(part.attacks))
    if best is None:
        raise InputError(
            f"{'the declared attack' if declared else 'no attack'} can be run. {' '.join((*part.notes, *refusals))}"
        )
    phi = _phi(target, references, part.records)
    likeness = None if phi is None else likeness_of(*phi)
    available = nulls(best.own, known, best.others, references.member[:, part.records], phi)
    used = terms.choose(available, alike=likeness is None or likeness.alike)
    return Judgement(
        attack=best.name,
        choices=1 if declared else len(entries),
        number=part.records,
        known=known,
        score=best.own,
        p_value=available[used].p_values,
        used=used,
        likeness=likeness,
        calibrations={name: _calibration(name, null, known, fprs) for name, null in available.items()},
        attacks=tuple(entry for _, entry in sorted(entries, key=lambda one: one[0], reverse=True)),
        notes=(*part.notes, *refusals),
    )


def _require_strangers(member: Bool[np.ndarray, "model record"], known: Membership) -> None:
    """Refuse references that know a target's members: as far as these are known, theirs are the same, or exactly those that it
    lacks, and not by luck (`STRANGERS`). Records that all references have, or none, tell nothing and are not looked at.

    Raises:
        InputError: it names the first.
    """
    varying = varying_records(member)
    varying = varying[known[varying] != UNKNOWN]
    truth, theirs = known[varying] == MEMBER, member[:, varying]
    same = (theirs == truth).all(axis=1) | (theirs != truth).all(axis=1)
    if same.any() and len(member) * _luck(truth, theirs) < STRANGERS:
        far = "" if len(varying) == len(known) else f" as far as {len(varying):,} records tell,"
        raise InputError(
            f"reference {int(same.argmax())} was trained on exactly the target's members, or on exactly all others,{far} and gives "
            "them away: leave it out, or train references with another seed."
        )


def _luck(truth: Bool[np.ndarray, "record"], member: Bool[np.ndarray, "model record"]) -> float:
    """How likely a model that has each record as often as these have it has these members, or exactly all others."""
    share = member.mean(axis=0)
    return float(np.where(truth, share, 1 - share).prod() + np.where(truth, 1 - share, share).prod())


def likeness_of(phi: Float[np.ndarray, "record"], references: Float[np.ndarray, "model record"]) -> Likeness:
    """How like its references a target is, as Student's t predicts another value of a normal sample (`STRANGE`)."""
    medians = np.median(references, axis=1).astype(np.float64)
    own, spread = float(np.median(phi)), Spread(mean=float(medians.mean()), sd=float(medians.std(ddof=1)))
    scale = spread.sd * np.sqrt(1 + 1 / len(medians))
    return Likeness(own, spread, bool(abs(own - spread.mean) <= scale * stdtrit(len(medians) - 1, 1 - STRANGE / 2)))


def _score_each(
    target: Observations, references: Observations, row: Bool[np.ndarray, "1 record"], part: Scorable, fpr: float
) -> Iterator[tuple[str, MembershipAttack, _Scored | TooFewReferences]]:
    """Every attack's name, the attack, and its scores or why there are none, one after another.

    Args:
        target: one model.
        references: the others.
        row: of the target in the member matrix, as attacks see it.
        part: the attacks, and the records that they score.
        fpr: false-positive rate at which an attack's strength is measured.
    """
    for read, group in by_signals(references, part):
        signals = next(iter(group.values())).signals
        both = stacked(target.only(signals).take_records(part.records), read, row[:, part.records])
        for name, attack in group.items():
            try:
                scored = _scored(name, attack, both, read, fpr)
            except TooFewReferences as error:
                scored = error
            yield name, attack, scored


def _scored(name: str, attack: MembershipAttack, both: Observations, references: Observations, fpr: float) -> _Scored:
    own, others = scores_of(attack, both, [0])[0], scores_of(attack, references)
    curve = roc_curve(others.ravel(), references.member.ravel())
    return _Scored(name, own, others, (tpr_at_fpr(curve, fpr).tpr, auc(curve)))


def _phi(
    target: Observations, references: Observations, records: Int[np.ndarray, "scored"]
) -> tuple[np.ndarray, np.ndarray] | None:
    """phi of the record itself, of both; None where labels alone are answered."""
    name = Phi().name
    if name not in target.signals or name not in references.signals:
        return None
    return target.signal(name)[0, records, 0].astype(np.float64), references.signal(name)[:, records, 0]


def _entry(
    attack: MembershipAttack, scored: _Scored, known: Membership, fprs: tuple[float, ...]
) -> TargetAttackFindings:
    tpr, area = scored.strength
    return TargetAttackFindings(
        name=scored.name,
        family=attack.family,
        description=describe_attack(attack),
        references=attack.references,
        reference_auc=area,
        reference_tpr=tpr,
        known=_known(scored.own, known, fprs),
    )


def summary_of(score: Float[np.ndarray, "record"], known: Membership, fprs: tuple[float, ...]) -> Summary | None:
    """All figures of one target, whose intervals are for new records; None where no member is known, or none is not."""
    certain = known != UNKNOWN
    truth = known[certain] == MEMBER
    if truth.all() or not truth.any():
        return None
    return summarise(score[None, certain], truth[None], fprs)


def _known(score: Float[np.ndarray, "record"], known: Membership, fprs: tuple[float, ...]) -> RocFindings | None:
    summary = summary_of(score, known, fprs)
    return None if summary is None else roc_findings(summary)


def _calibration(name: str, null: Null, known: Membership, fprs: tuple[float, ...]) -> CalibrationFindings:
    def share(side: int) -> dict[str, float]:
        those = null.p_values[known == side]
        return {rate_key(fpr): float((those <= fpr).mean()) for fpr in fprs if len(those)}

    finest = FEW / null.scores if null.smallest and null.scores >= FEW else None
    return CalibrationFindings(
        name=name,
        assumes=ASSUMES[name],
        scores=null.scores,
        smallest=null.smallest or None,
        finest=finest,
        realised_fpr=share(NON_MEMBER),
        realised_tpr=share(MEMBER),
    )

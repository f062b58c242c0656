"""Observations and attacks to findings that say how much each attack gets (`jaxattack.audit.findings.membership`)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from threadpoolctl import threadpool_limits

from jaxattack.attacks.membership import RMIA, LiRA, by_label, declared_label
from jaxattack.attacks.membership.observed import scores_of
from jaxattack.attacks.membership.references import TooFewReferences
from jaxattack.audit.claim import BASELINE, Correction, claimed_rate, comparison
from jaxattack.audit.curves import FPRS, Subset, by_models, by_queries, rate_key, subsets_of
from jaxattack.audit.entry import Growth, attack_findings, histogram_of, pooled_of
from jaxattack.audit.findings.membership import EvaluationFindings, VulnerableFindings
from jaxattack.audit.findings.membership_attack import AttackFindings, ClaimFindings, ComparisonFindings, ModelsPoint
from jaxattack.audit.labelled import part_findings
from jaxattack.audit.learning import doubts, doubts_of_sizes, fit_of_models, with_sizes
from jaxattack.audit.per_record import (
    Exposure,
    exposure_of,
    most_vulnerable,
    own_rates_at,
)
from jaxattack.audit.record_table import Detections, RecordTable, detections_at, record_table
from jaxattack.audit.scorable import Scorable, require_both_sides, scorable
from jaxattack.metrics import Ranked, Summary, summarise
from jaxattack.metrics.uncertainty import Influences
from jaxattack.signals import Correct, Phi
from jaxattack.threads import mark_worker
from jaxattack.training import Queries
from jaxattack.types import InputError, MembershipAttack, Observations, Progress

AT_ONCE = min(4, os.cpu_count() or 1)
SCORES = 2**27  # of several attacks in memory at a time: 1 GiB
# Scores of an attack up to which what needs no attack is computed beside it, for that takes some 50 bytes a score.
BESIDE = 2**24


class Evaluation(NamedTuple):
    """What attacks find.

    Attributes:
        findings: in figures.
        records: record by record.
    """

    findings: EvaluationFindings
    records: RecordTable


def evaluate(
    observations: Observations,
    attacks: Collection[MembershipAttack],
    *,
    growth: bool = True,
    declare: MembershipAttack | None = None,
    queries: Queries | None = None,
    unread: Bool[np.ndarray, "record"] | None = None,
    progress: Progress | None = None,
) -> EvaluationFindings:
    """The findings of `evaluate_records`, which has the same arguments and keeps scores too."""
    return evaluate_records(
        observations, attacks, growth=growth, declare=declare, queries=queries, unread=unread, progress=progress
    ).findings


def evaluate_records(
    observations: Observations,
    attacks: Collection[MembershipAttack],
    *,
    growth: bool = True,
    declare: MembershipAttack | None = None,
    queries: Queries | None = None,
    unread: Bool[np.ndarray, "record"] | None = None,
    all_scores: bool = False,
    labelled: Bool[np.ndarray, "record"] | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Run attacks with every model as the target, and sum up what each gets.

    What cannot be scored is left out and told, as `jaxattack.audit.scorable` says: all figures are of the same records.

    Args:
        observations: at least four models.
        attacks: each is reported by its `jaxattack.attacks.naming.label`.
        growth: whether each attack with references is also run among fewer models, and with fewer views; `by_models` and
            `by_queries` stay empty otherwise.
        declare: the attack that was chosen beforehand; by default the strongest is claimed, and its interval allows for
            the choice among all (`jaxattack.audit.claim`).
        queries: the views that were asked about; attacks that join several are also run with fewer, where there is growth.
        unread: records whose signals are NaN or infinite somewhere; none by default.
        all_scores: whether the scores of every attack are kept, and not of the claimed one alone.
        labelled: which records' labels are learnt where they are members, for figures of them and of the others apart; None where
            all are.
        progress: called after each attack.

    Raises:
        InputError: no attacks, another one declared, none that can score these observations, or members that are not known.
    """
    if not attacks:
        raise InputError("no attack is named: give at least one.")
    observations.require_known()
    part = scorable(observations.member, by_label(attacks), unread)
    require_both_sides(observations.member, part.records)
    declared = declared_label(declare)
    correction = Correction(attacks=tuple(part.attacks), declared=declared)
    exposure = _exposure(observations, part)
    rate = claimed_rate(int((~exposure.member).sum()), FPRS)
    of_scored = None if labelled is None else labelled[part.records]
    terms = _Terms(exposure, growth, queries, correction, rate, all_scores, of_scored)
    judgements, refusals = _judge_all(observations, part, terms, progress)
    claim = _claim(judgements, declared, refusals)
    pooled, alone = claim.findings.auc, claim.findings.per_target.auc
    models = with_sizes(fit_of_models(observations, part.records), pooled, alone)
    notes = doubts(models.test_accuracy, observations.label[part.records], observations.records - models.members)
    notes += doubts_of_sizes(models, claim.findings.name, pooled, alone)
    findings = EvaluationFindings(
        attacks=tuple(one.findings for one in judgements),
        claim=ClaimFindings(
            attack=claim.findings.name,
            rate=None if rate is None else rate_key(rate),
            choices=correction.choices(claim.findings.name),
            declared=declare is not None,
        ),
        comparison=_comparison(claim, judgements, correction),
        calibration=exposure.calibration,
        models=models,
        vulnerable=claim.vulnerable,
        vulnerability=exposure.summary,
        notes=(*observations.notes, *part.notes, *refusals, *notes),
    )
    assert claim.detect is not None  # of the strongest and of the declared one it is there
    scores = {
        one.findings.name: one.scores for one in (judgements if all_scores else [claim]) if one.scores is not None
    }
    table = record_table(exposure, observations, claim.findings.name, claim.detect(), scores)
    return Evaluation(findings, table)


def _exposure(observations: Observations, part: Scorable) -> Exposure:
    # Where labels alone are answered there is no phi: what is right gives records away too.
    signal = Phi() if Phi().name in observations.signals else Correct()
    phi = observations.of(signal)[:, part.records, 0]  # copied: a view would keep all queries in memory
    member = observations.member[:, part.records]
    member.setflags(write=False)  # what follows from it is computed once for all attacks
    return exposure_of(phi, member, part.records, labels_alone=isinstance(signal, Correct))


class _Terms(NamedTuple):
    """How every attack is judged.

    Attributes:
        exposure: of each record.
        growth: whether it is also run among fewer models and views.
        queries: the views that were asked about.
        correction: what its intervals allow for.
        rate: the false-positive rate that decides which is the strongest.
        all_scores: whether the scores of every attack are kept.
        labelled: which of the records' labels are learnt; None where all are.
    """

    exposure: Exposure
    growth: bool
    queries: Queries | None
    correction: Correction
    rate: float | None
    all_scores: bool
    labelled: Bool[np.ndarray, "record"] | None


class _Scored(NamedTuple):
    """An attack's scores, and the seconds they took."""

    name: str
    attack: MembershipAttack
    scores: Float[np.ndarray, "target record"]
    seconds: float


class _Judgement(NamedTuple):
    """An attack's part of the findings, what it finds of records, and what it is compared by."""

    findings: AttackFindings
    vulnerable: VulnerableFindings
    strength: tuple[float, float]
    influences: Influences | None
    detect: Callable[[], dict[str, Detections]] | None
    scores: Float[np.ndarray, "target record"] | None


def _with_judgement(judgements: list[_Judgement], one: _Judgement, terms: _Terms) -> list[_Judgement]:
    """One attack more; only those that may be claimed or compared keep their influences and scores, which are large, unless
    all scores are to be kept."""
    more = [*judgements, one]
    strongest = max(more, key=lambda other: other.strength)
    return [
        other
        if other is strongest or other.findings.name in (BASELINE, terms.correction.declared)
        else other._replace(influences=None, detect=None, scores=other.scores if terms.all_scores else None)
        for other in more
    ]


def _comparison(claim: _Judgement, judgements: list[_Judgement], correction: Correction) -> ComparisonFindings | None:
    """The claimed attack beside the baseline, where both were run."""
    baseline = next((one for one in judgements if one.findings.name == BASELINE), claim)
    if baseline is claim or claim.influences is None or baseline.influences is None:
        return None
    names = {fpr: rate_key(fpr) for fpr in FPRS}
    return comparison(claim.findings.name, claim.influences, baseline.influences, correction, names)


def _judge_all(
    observations: Observations, part: Scorable, terms: _Terms, progress: Progress | None
) -> tuple[list[_Judgement], list[str]]:
    """Every attack that can be run, strongest first; and of the others why not, in sentences."""
    judgements: list[_Judgement] = []
    refusals: list[str] = []
    beside = ("calibration", "interval", "summary") if terms.exposure.phi.size <= BESIDE else ()
    for signals, attacks in by_signals(observations, part):
        read = replace(signals, member=terms.exposure.member)
        subsets = subsets_of(read) if terms.growth else ()
        for some in _together(attacks, read):
            scored: list[_Scored] = []
            for name, attack in some:
                try:
                    scored.append(_scored(name, attack, read))
                except TooFewReferences as error:
                    refusals.append(f"{name} is left out: {error}")
            # Sorting many scores keeps one core busy: several attacks are summed up at once, after the timed scoring. Threads of
            # BLAS beside them would wait for one another with cores busy: of the main job's scoring a fifth, of its CPU a third.
            with threadpool_limits(1, "blas"), ThreadPoolExecutor(AT_ONCE, initializer=mark_worker) as pool:
                results = pool.map(partial(_judge, read=read, subsets=subsets, terms=terms), scored)
                # Computed once, and found by who asks for it: of one attack, which keeps one core busy, half as long again.
                for name in beside:
                    pool.submit(getattr, terms.exposure, name)
                beside = ()
                for one in results:
                    judgements = _with_judgement(judgements, one, terms)
                    if progress:
                        progress("attacks", len(judgements), len(part.attacks))
    if not judgements:
        raise InputError(f"no attack can be run. {' '.join(refusals)}")
    return sorted(judgements, key=lambda one: one.strength, reverse=True), refusals


def _together(attacks: dict[str, MembershipAttack], read: Observations) -> Iterator[list[tuple[str, MembershipAttack]]]:
    """Attacks whose scores are in memory at a time: as many as `SCORES` allows."""
    items = list(attacks.items())
    number = max(1, SCORES // read.member.size)
    yield from (items[start : start + number] for start in range(0, len(items), number))


def by_signals(
    observations: Observations, part: Scorable
) -> Iterator[tuple[Observations, dict[str, MembershipAttack]]]:
    """Attacks that read the same signals, with what they read: each signal is read from the disk once."""

    def names(item: tuple[str, MembershipAttack]) -> list[str]:
        return [signal.name for signal in item[1].signals]

    for _, group in groupby(sorted(part.attacks.items(), key=names), key=names):
        attacks = dict(group)
        read = observations.only(next(iter(attacks.values())).signals)
        yield read if len(part.records) == observations.records else read.take_records(part.records), attacks


def _claim(judgements: list[_Judgement], declared: str | None, refusals: list[str]) -> _Judgement:
    """The attack that was declared, or the strongest.

    Raises:
        InputError: the declared one could not be run.
    """
    if declared is None:
        return judgements[0]
    for one in judgements:
        if one.findings.name == declared:
            return one
    raise InputError(f"the declared attack cannot be run. {' '.join(refusals)}")


def _scored(name: str, attack: MembershipAttack, read: Observations) -> _Scored:
    begin = time.perf_counter()
    scores = scores_of(attack, read)
    return _Scored(name, attack, scores, time.perf_counter() - begin)


def _judge(scored: _Scored, *, read: Observations, subsets: tuple[Subset, ...], terms: _Terms) -> _Judgement:
    name, attack, scores, seconds = scored
    ranked = Ranked.of(scores, read.member)
    summary = summarise(scores, read.member, FPRS, ranked=ranked)
    histogram = histogram_of(ranked)
    del ranked  # twice as large as the scores
    thresholds = {rate_key(point.fpr): point.threshold for point in summary.tpr}
    findings = attack_findings(
        name,
        attack,
        summary,
        histogram,
        records=read.records,
        confidence=terms.correction.confidence(name),
        per_record=own_rates_at(scores, read.member, thresholds),
        growth=_growth(attack, summary, read, subsets, terms),
        seconds=seconds,
        by_label=part_findings(scores, read.member, terms.labelled),
    )
    strength = 0.0 if terms.rate is None else summary.tpr[FPRS.index(terms.rate)].tpr
    vulnerable = most_vulnerable(name, scores, thresholds["0.01"], read, terms.exposure)
    detect = partial(detections_at, scores, read.member, thresholds)
    return _Judgement(findings, vulnerable, (strength, summary.auc), summary.influences, detect, scores)


def _growth(
    attack: MembershipAttack, summary: Summary, read: Observations, subsets: tuple[Subset, ...], terms: _Terms
) -> Growth:
    """The attack among fewer models where it has references, and with fewer views where it joins several."""
    if not terms.growth:
        return Growth((), ())
    pooled = pooled_of(summary)
    models = (*by_models(attack, subsets), ModelsPoint(models=read.models, **vars(pooled))) if attack.references else ()
    queries = terms.queries
    if queries is None or queries.count == 1 or not isinstance(attack, LiRA | RMIA):
        return Growth(models, ())
    return Growth(models, tuple(by_queries(attack, read, queries, pooled)))

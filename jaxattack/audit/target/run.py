"""The audit of one target, end to end: it is asked, references are trained or given, and its records are judged.

    OUT/answers, target.json    every answer of the target, so that a second start pays for none of them again
    OUT/references              the run folder of the references, which `jaxattack report` attacks one by one
    OUT/also-ARCHITECTURE       those of references of another architecture

The target's members have no part in how the references are trained: these are trained on random halves of the same records.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxattack.attacks.membership import by_label
from jaxattack.attacks.membership import signals_of as signals_read
from jaxattack.audit.environment import device, peak_memory
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.findings.target_audit import CostFindings, OtherFindings, Seconds, TargetAuditFindings
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.records import choose_records, set_aside
from jaxattack.audit.scoring import scored_observations, training_cost
from jaxattack.audit.sweep import train_run
from jaxattack.audit.target.answer_files import as_membership, read_answers
from jaxattack.audit.target.answers import More, TargetAnswers, ask_victim
from jaxattack.audit.target.assembly import Occasion, assemble, other
from jaxattack.audit.target.comparability import imitation
from jaxattack.audit.target.comparison import Comparison, compare_target
from jaxattack.audit.target.judgement import Judgement, judge
from jaxattack.audit.target.questions import Ask, ask_more, asking_signals
from jaxattack.audit.target.reference_file import FileReferences, read_references
from jaxattack.audit.target.terms import Membership, Scale, TargetTerms
from jaxattack.audit.victim import Victim
from jaxattack.defences import describe
from jaxattack.models import ModelSource
from jaxattack.models import label as model_label
from jaxattack.store import Cost
from jaxattack.training import Placement, Queries
from jaxattack.training.source import model_for
from jaxattack.types import (
    Dataset,
    InputError,
    MembershipAttack,
    Observations,
    Progress,
    reserve_size,
)

APART = 2**31
"""Is flipped in the seed of references: with one seed, `jaxattack train` and the first pair of halves draw the same members."""

_TERMS = TargetTerms()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TargetResult(Reportable):
    """An audit of one target.

    Attributes:
        findings: what is said of each record, for `jaxattack.report`.
    """

    findings: TargetAuditFindings


def audit_target(
    out: Path,
    target: Victim | Path | Observations,
    audit: MembershipAudit,
    *,
    known: Membership | None = None,
    terms: TargetTerms = _TERMS,
    scale: Scale = "auto",
    references: Path | None = None,
    also: Sequence[ModelSource] = (),
    keep_answers: bool = True,
    placement: Placement = Placement(),
    cluster: str | None = None,
    progress: Progress | None = None,
) -> TargetResult:
    """Say of each record whether one target was trained on it.

    Args:
        out: the folder; given again, it goes on where it stopped.
        target: a victim that is asked, a file of its answers, or one row of observations.
        audit: how the references are trained, on what records, and which attacks are run.
        known: of the target's members, of all records of the data, as `jaxattack.audit.target.answer_files.as_membership` takes
            them; by default what the target itself tells.
        terms: of the verdicts.
        scale: on what scale it takes pictures.
        references: a file of observations of models that others trained, in place of those.
        also: other architectures, with references of which the attack is run again.
        keep_answers: whether the target's answers are kept in the folder, so that a second start pays for none of them.
        placement: how training is cut.
        cluster: a Ray cluster to train on.
        progress: called as work is done.

    Raises:
        InputError: bad input, or answers that no attack can be run on.
    """
    begin = time.perf_counter()
    if audit.background:
        raise InputError(f"background is {audit.background} and one target is attacked: leave it out.")
    if references is not None and also:
        raise InputError("also is given and references too, which are trained already: leave one of them out.")
    for source in also if references is not None else (audit.model, *also):
        model_for(source, audit.dataset)  # one that does not fit is refused before hours of training
    if known is not None:
        known = as_membership(known, len(audit.dataset), "known")
    audit = replace(audit, seed=audit.seed ^ APART)
    numbers = scored_numbers(audit)
    scored = audit.dataset.take(numbers)
    from_file = None if references is None else read_references(references, audit.dataset, numbers)
    answers = _answers(target, audit, scored, numbers, scale, terms, from_file, out if keep_answers else None, progress)
    comparison, notes = compare_target(target, answers, audit, scored, numbers, from_file, known, terms)
    trained = [_references(out / "references", comparison, from_file, placement, cluster, progress)]
    start = time.perf_counter()
    judgement = _judge(comparison, trained[0].observations, comparison.audit.attacks, progress)
    scoring = time.perf_counter() - start
    claimed = by_label(comparison.audit.attacks)[judgement.attack]
    others = []
    for source in also:
        elsewhere = comparison._replace(audit=replace(comparison.audit, model=source))
        more = _references(out / f"also-{_slug(source)}", elsewhere, None, placement, cluster, progress)
        start = time.perf_counter()
        second = _judge(comparison, more.observations, (claimed,), None)
        scoring += time.perf_counter() - start
        others.append(other(judgement, second, more.observations, terms, model_label(source)))
        trained.append(more)
    occasion = _occasion(answers, comparison, references, tuple(others), (*(answers.notes if answers else ()), *notes))
    cost = _cost(answers, trained, scoring, time.perf_counter() - begin)
    findings = assemble(judgement, comparison.row, trained[0].observations, terms, occasion, cost, numbers)
    return TargetResult(findings=findings)


def scored_numbers(audit: MembershipAudit) -> Int[np.ndarray, "scored"]:
    """The numbers, in the data, of the records that are scored, in the order of a run's."""
    count = len(audit.dataset)
    counting = replace(audit.dataset, x=np.arange(count)[:, None], features=())
    records = choose_records(counting, audit.records, audit.seed)
    reserve = reserve_size(audit.learner, len(records))
    return set_aside(records, reserve, audit.seed).x[: len(records) - reserve, 0]


def _answers(
    target: Victim | Path | Observations,
    audit: MembershipAudit,
    scored: Dataset,
    numbers: Int[np.ndarray, "scored"],
    scale: Scale,
    terms: TargetTerms,
    from_file: FileReferences | None,
    out: Path | None,
    progress: Progress | None,
) -> TargetAnswers | None:
    """What the target answers about the records that are scored; None of one that was observed."""
    queries = Queries.counting(audit.queries)
    if isinstance(target, Observations):
        return None
    if isinstance(target, Path):
        return read_answers(target, audit.dataset, queries).take(numbers)
    asking = () if from_file else asking_signals(signals_read(audit.labelled().values()), target.oracle.access.level)

    def more(ask: Ask, answers: TargetAnswers) -> Mapping[str, np.ndarray]:
        return ask_more(ask, answers, asking, scored, queries, audit.defences or imitation(answers, scored.y))

    questions = sum(signal.queries for signal in asking)
    return ask_victim(
        target, scored, queries, scale=scale, budget=terms.budget, out=out, more=More(questions, more) if asking else None,
        progress=progress,
    )  # fmt: skip


class _Trained(NamedTuple):
    """References, and what training them cost."""

    observations: Observations
    cost: Cost
    models: int


def _references(
    out: Path,
    comparison: Comparison,
    from_file: FileReferences | None,
    placement: Placement,
    cluster: str | None,
    progress: Progress | None,
) -> _Trained:
    """The references: those that are given, or trained now as far as their folder lacks them."""
    audit = comparison.audit
    if from_file is not None:
        confidences = comparison.confidences
        observed = from_file.observe(audit.defences, comparison.signals, confidences=confidences)
        return _Trained(observed, Cost(0, 0.0, 0.0, 0.0, ""), 0)
    plan = train_run(out, audit, placement=placement, cluster=cluster, progress=progress)
    observed = scored_observations(plan.folder, audit.models, plan)
    return _Trained(observed, training_cost(plan.folder, audit.models), audit.models)


def _judge(
    comparison: Comparison, references: Observations, attacks: Sequence[MembershipAttack], progress: Progress | None
) -> Judgement:
    declare = comparison.audit.declare if len(attacks) > 1 else attacks[0]
    return judge(
        comparison.row, references, comparison.known, attacks, comparison.terms, declare=declare, unread=comparison.unread,
        progress=progress,
    )  # fmt: skip


def _slug(source: ModelSource) -> str:
    return "".join(c if c.isalnum() else "-" for c in model_label(source)).strip("-")


def _cost(answers: TargetAnswers | None, trained: Sequence[_Trained], scoring: float, total: float) -> CostFindings:
    """What all of it cost, with the seconds of attacking and of everything."""
    by_question = answers is not None and answers.terms is not None
    return CostFindings(
        queries=answers.cost.queries if answers and by_question else 0,
        kept=answers.prepaid if answers else 0,
        price=answers.cost.price if answers else 0.0,
        models=sum(one.models for one in trained),
        gradient_steps=sum(one.cost.gradient_steps for one in trained),
        seconds=Seconds(
            victim=answers.cost.seconds if answers and by_question else None,
            train=sum(one.cost.train for one in trained) if any(one.models for one in trained) else None,
            score=scoring,
            total=total,
        ),
        memory_bytes=peak_memory(),
        device=device(),
    )


def _occasion(
    answers: TargetAnswers | None,
    comparison: Comparison,
    references: Path | None,
    others: tuple[OtherFindings, ...],
    notes: tuple[str, ...],
) -> Occasion:
    audit = comparison.audit
    name = "one model" if answers is None else answers.name
    learner = type(audit.learner).__name__
    trained = f"{model_label(audit.model)}, learner {learner}, design {audit.design.describe}"
    return Occasion(
        title=f"{name} · {audit.dataset.name}",
        origin="trained here" if references is None else "given",
        what=trained if references is None else references.name,
        target=None if answers is None else answers.terms,
        others=others,
        ids=tuple(audit.dataset.ids[number] for number in comparison.numbers) if audit.dataset.ids else (),
        notes=notes,
        config={
            "target": name,
            "data": audit.dataset.name,
            "records": len(comparison.numbers),
            "references": trained if references is None else references.name,
            "models": audit.models,
            "queries": audit.queries,
            "attacks": [*audit.labelled()],
            "defences": [describe(defence) for defence in audit.defences],
            "fpr": comparison.terms.fpr,
            "calibration": comparison.terms.calibration,
            "budget": comparison.terms.budget,
            "seed": audit.seed ^ APART,
        },
    )

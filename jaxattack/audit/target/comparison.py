"""What a target is compared with: signals that its answers show, read of target and references alike, and who can use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.attacks.membership import REGISTRY
from jaxattack.attacks.membership import signals_of as signals_read
from jaxattack.audit.confidences import check_kind
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.target.answers import TargetAnswers
from jaxattack.audit.target.comparability import able_attacks, as_confidences, imitation, readable_signals, signals_of
from jaxattack.audit.target.questions import asking_signals
from jaxattack.audit.target.reference_file import FileReferences
from jaxattack.audit.target.terms import UNKNOWN, Membership, TargetTerms
from jaxattack.audit.victim import Victim
from jaxattack.defences import describe
from jaxattack.signals import Correct, Phi
from jaxattack.types import Dataset, Defence, InputError, Observations, Signal

_ALWAYS: tuple[Signal, ...] = (Phi(), Correct())
"""Read of every target that shows them: what its records are judged by, beside the attacks."""


class Comparison(NamedTuple):
    """What a target is compared with, and how.

    Attributes:
        audit: how references are trained; its attacks are those that the target's answers allow.
        numbers: of the records that are scored.
        row: the target, one model.
        unread: records of which a signal of its is NaN or infinite.
        known: of its members.
        terms: of the verdicts.
        signals: that are read of both.
        confidences: whether raw outputs of references are read as confidences, as the target's are.
    """

    audit: MembershipAudit
    numbers: Int[np.ndarray, "scored"]
    row: Observations
    unread: Bool[np.ndarray, "scored"]
    known: Membership
    terms: TargetTerms
    signals: tuple[Signal, ...]
    confidences: bool


def compare_target(
    target: Victim | Path | Observations,
    answers: TargetAnswers | None,
    audit: MembershipAudit,
    scored: Dataset,
    numbers: Int[np.ndarray, "scored"],
    references: FileReferences | None,
    known: Membership | None,
    terms: TargetTerms,
) -> tuple[Comparison, tuple[str, ...]]:
    """What is read of the target and of its references, made comparable; and what cannot be run, in sentences.

    Raises:
        InputError: no attack can be run, or raw outputs that are confidences.
    """
    by_name = audit.labelled()
    if answers is None:
        row, defences = _observed(target, audit.dataset, numbers), audit.defences
        able, notes = able_attacks(by_name, row.signals)
        own = row.membership(0) if known is None else known[numbers]
        unread = np.zeros(len(numbers), bool)
        read = signals_read(able.values())
    else:
        if answers.answer.logit is not None:
            check_kind(answers.name, "logits", answers.answer.logit, 0)
        both = references is not None and references.confidences
        if both and answers.level == "logit":
            answers = answers._replace(answer=as_confidences(answers.answer), level="probability")
        defences = audit.defences or imitation(answers, scored.y, references.scores if references and both else None)
        readable = readable_signals((*signals_read(by_name.values()), *_ALWAYS), answers.level)
        able, notes = able_attacks(by_name, {signal.name for signal in readable} | answers.more.keys())
        read = tuple(dict.fromkeys(readable))
        values, unread = signals_of(answers.answer, defences, read, scored.y)
        row = Observations(signals={**values, **answers.more}, member=np.zeros((1, len(numbers)), bool), label=scored.y)
        own = _known(target, answers, known, numbers)
    if not able:
        raise InputError(
            f"no attack can be run: {' '.join(notes).removesuffix('.')}; name gap, which reads labels alone."
        )
    if audit.declare is not None and audit.declare not in able.values():
        raise InputError(f"the declared attack cannot be run. {' '.join(notes)}")
    sentences = () if defences == audit.defences else (_imitation_sentence(defences),)
    if answers is not None and answers.level == "label" and not answers.more:
        sentences = (
            *sentences,
            f"Attacks that ask for more labels are run where they are named: {', '.join(_label_attacks())}.",
        )
    audit = replace(audit, attacks=tuple(able.values()), defences=defences)
    confidences = answers is not None and answers.level == "probability"
    return Comparison(audit, numbers, row, unread, own, terms, read, confidences), (*sentences, *notes)


def _label_attacks() -> list[str]:
    """Those that ask for several labels a record."""
    return [
        name for name, attack in REGISTRY.items() if len(asking_signals(attack.signals, "label")) == len(attack.signals)
    ]


def _imitation_sentence(defences: Sequence[Defence]) -> str:
    names = ", ".join(" ".join(f"{value}" for value in describe(defence).values()) for defence in defences)
    return f"References answer as the target does ({names}), or what its answers lack would be taken for membership."


def _observed(target: Any, records: Dataset, numbers: Int[np.ndarray, "scored"]) -> Observations:
    """A row of observations, of the records that are scored.

    Raises:
        InputError: several rows, or other records.
    """
    if target.models != 1:
        raise InputError(
            f"target is observations of {target.models} models: give one, as observations.take(slice(0, 1))."
        )
    if target.records != len(records) or not np.array_equal(target.label, records.y):
        raise InputError(
            f"target is observations of {target.records:,} records and {records.name} has {len(records):,}, or other labels: give both "
            "of the same, in the same order."
        )
    return target.take_records(numbers)


def _known(
    target: Any, answers: TargetAnswers, known: Membership | None, numbers: Int[np.ndarray, "scored"]
) -> Membership:
    """What is known of the target's members: what was given, or what the target itself tells."""
    if known is not None:
        return known[numbers]
    if answers.member is not None:
        return answers.member
    if isinstance(target, Victim) and target.member is not None:
        return target.member.astype(np.int8)[numbers]
    return np.full(len(numbers), UNKNOWN, np.int8)

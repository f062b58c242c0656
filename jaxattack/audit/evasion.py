"""Change records so that a victim labels them otherwise: a victim, an attack, findings.

The chain of a thief is here too, for families of attacks do not know one another: steal a model, make examples on it, and
ask the victim about each once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.evasion import ATTACKS, FGSM, PGD, DeepFool, HopSkipJump, Transfer
from jaxattack.attacks.evasion.questions import QuestionAttack, terms_of
from jaxattack.attacks.evasion.white_box import WhiteBoxAttack
from jaxattack.attacks.extraction import ATTACKS as EXTRACTION_ATTACKS
from jaxattack.attacks.naming import label
from jaxattack.audit.adaptive import check_adaptive, judged_behind, plan_of, unaware
from jaxattack.audit.columns import UNKNOWN
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.evasion_findings import (
    curve_findings,
    distance_findings,
    gallery,
    question_findings,
    record_findings,
    success_findings,
)
from jaxattack.audit.examples import Examples, Records, from_answers, from_weights
from jaxattack.audit.extraction import stolen_findings, target_findings
from jaxattack.audit.findings.cost import query_cost
from jaxattack.audit.findings.evasion import AttackFindings, CostFindings, EvasionFindings, Seconds
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.session import claim, open_session, settings, terms
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.disk import make_folder, write_arrays
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.training import check_seed
from jaxattack.types import (
    Evasion,
    EvasionAttack,
    ExtractionAttack,
    InputError,
    Oracle,
    Progress,
    WhiteBox,
    at_least,
    check_arguments,
    config,
)

_CONTRADICTED = (
    "{} of the examples that fool the victim are labelled right where it is asked again in its own precision and without "
    "its defences."
)


@config
class EvasionAudit:
    """What is tried on a victim.

    Attributes:
        attack: None for the one that fits the victim: DeepFool where its weights are at hand, the transfer of FGSM where a
            model is stolen or given, HopSkipJump otherwise.
        extract: steal a model first, with this attack, and make the examples on it; an attack on weights then becomes the
            transfer of its examples.
        copies: how many models are stolen, each with a seed of its own; the examples are made on the mean of their logits.
        adaptive: make the examples through the victim's defence, its detectors in the loss, with PGD where there is no attack.
        records: how many of the victim's held-out records are changed, at most.
        budget: queries, at most, those of the theft among them; None for what the attacks ask by themselves.
        seed: decides everything random.

    Raises:
        InputError: a value out of range, or a word where an attack is due.
    """

    attack: EvasionAttack | None = field(default=None, metadata={"example": "jaxattack.attacks.evasion.HopSkipJump()"})
    extract: ExtractionAttack | None = field(
        default=None, metadata={"example": "jaxattack.attacks.extraction.Softmax()"}
    )
    copies: int = 1
    adaptive: bool = False
    records: int = 100
    budget: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        at_least(1, copies=self.copies, records=self.records, budget=self.budget)
        if self.copies > 1 and self.extract is None:
            raise InputError(f"copies is {self.copies} and nothing is stolen: give extract, or leave copies out.")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EvasionResult(Reportable):
    """An evasion with its findings.

    Attributes:
        evasion: the examples.
        findings: whom they fool and what they cost, for `jaxattack.report`.
        pictures: those that the findings number.
    """

    evasion: Evasion
    findings: EvasionFindings
    pictures: Mapping[int, np.ndarray]


@check_arguments("out", "progress")
def evade(
    victim: Victim | Oracle | WhiteBox,
    attack: EvasionAttack | None = None,
    *,
    x: Shaped[np.ndarray, "record *feature"] | None = None,
    y: Int[np.ndarray, "record"] | None = None,
    extract: ExtractionAttack | None = None,
    copies: int = 1,
    surrogate: WhiteBox | None = None,
    adaptive: bool = False,
    records: int = 100,
    budget: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> EvasionResult:
    """Change records so that a victim labels them otherwise, and say how many, how far, and at what cost.

    Args:
        victim: what is fooled.
        attack: how; None for the attack that fits, as `EvasionAudit` says; so it does of the others up to ``seed``.
        x: records to change, as the victim takes them; None for records that it was not trained on, where there are some.
        y: their labels.
        extract: steal a model first.
        copies: how many, for the mean of their logits.
        surrogate: a model at hand to make examples on.
        adaptive: make them through the victim's defence, as one who knows it does (`jaxattack.perturb.adaptive`). Without it an attack
            on weights does not know of a defence that cleans or refuses queries, and the findings say so.
        records: how many.
        budget: queries, at most.
        seed: decides everything random.
        out: a folder that keeps every answer, and gets the examples. Given again, answers that are there are not paid for
            again.
        progress: called as the attack goes on.

    Raises:
        InputError: bad input, no records, a foreign folder, or a victim that cannot be believed or reached.

    Example:
        >>> changed = ja.evade(ja.open_victim("tree", data="iris"), ja.attacks.evasion.HopSkipJump(queries=50), records=5)
        >>> changed.findings.attack.name
        'hopskipjump'
    """
    out = None if out is None else Path(out)
    begin = time.perf_counter()
    audit = EvasionAudit(
        attack=attack, extract=extract, copies=copies, adaptive=adaptive, records=records, budget=budget, seed=seed
    )
    target = as_victim(victim)
    if (adaptive or (attack is not None and attack.white_box)) and extract is None and surrogate is None:
        target = target.with_weights()
    attack_value = planned_evasion(target, audit, surrogate)
    audit = replace(audit, attack=attack_value)
    own = _records(target, x, y, records)
    examples = _evade(target, attack_value, audit, own, surrogate, out, progress)
    if out is not None:
        _write(out, own, examples.evasion)
    return _conclude(target, attack_value, audit, own, examples, begin)


def usual_attack(victim: Victim, *, at_hand: bool) -> EvasionAttack:
    """What fits a victim.

    Args:
        victim: what is to be fooled.
        at_hand: whether another model is, or will be.
    """
    if at_hand:
        return Transfer(craft=FGSM())
    return HopSkipJump() if victim.inside is None else DeepFool()


def planned_evasion(victim: Victim, audit: EvasionAudit, surrogate: WhiteBox | None = None) -> EvasionAttack:
    """The attack; what cannot be done is refused before anything is.

    Args:
        victim: which need not be trained yet, behind its defences.
        audit: what is to be tried on it.
        surrogate: a model at hand.

    Raises:
        InputError: two models at hand, one that the attack has no use for, or none where it needs one; a victim of too few
            classes, or that answers too little, or a budget of an attack that asks nothing.
    """
    attack = _attack(victim, audit, surrogate)
    crafting = attack.craft if isinstance(attack, Transfer) else attack
    if isinstance(crafting, WhiteBoxAttack):
        crafting.check(victim.oracle.access.classes)
    if isinstance(attack, QuestionAttack):
        terms_of(victim.oracle, attack.name, attack.levels)
    if audit.budget is not None and attack.white_box and not judged_behind(victim):
        raise InputError(
            f"budget is {audit.budget} and {attack.name} asks the victim nothing: leave budget out, or give hopskipjump, or "
            "extract, so that it makes its examples on what it steals."
        )
    return attack


def _attack(victim: Victim, audit: EvasionAudit, surrogate: WhiteBox | None) -> EvasionAttack:
    """The attack, on a model at hand where there is one to be.

    Raises:
        InputError: two models at hand, one that the attack has no use for, or none where it needs one.
    """
    if audit.extract is not None and surrogate is not None:
        raise InputError(
            "extract and surrogate are both given: make the examples on one model, and leave the other out."
        )
    at_hand = audit.extract is not None or surrogate is not None
    attack = audit.attack or (PGD() if audit.adaptive else usual_attack(victim, at_hand=at_hand))
    if audit.adaptive:
        check_adaptive(victim, attack, at_hand=at_hand)
    if at_hand and isinstance(attack, WhiteBoxAttack):
        attack = Transfer(craft=attack)
    if at_hand and not attack.surrogate:
        raise InputError(
            f"{attack.name} asks the victim alone and has no use for another model: leave it out, or give fgsm."
        )
    if attack.surrogate and not at_hand:
        raise InputError(
            f"{attack.name} makes its examples on another model: steal one first, with extract (--extract softmax, or "
            "extract=jaxattack.attacks.extraction.Softmax()), or give a surrogate."
        )
    if attack.white_box and victim.inside is None:
        raise InputError(
            f"{attack.name} needs the weights of {victim.name}: steal a model first, with extract (--extract softmax, or "
            "extract=jaxattack.attacks.extraction.Softmax()), or give hopskipjump."
        )
    return attack


def _records(victim: Victim, x: np.ndarray | None, y: np.ndarray | None, most: int) -> Records:
    """The records to change: of those beside a victim the ones of classes that it knows, for about others it is wrong anyway.

    Raises:
        InputError: one of x and y alone, or none at hand.
    """
    if (x is None) != (y is None):
        raise InputError("x and y go together: give the records and their labels.")
    if x is None or y is None:
        x, y = victim.x, victim.y
        known = None if y is None else y != UNKNOWN
        x, y = (None if part is None or known is None else part[known] for part in (x, y))
    if x is None or y is None or not len(y):
        raise InputError(f"there are no labelled records beside {victim.name}: give x and y, or data.")
    return Records(np.asarray(x)[:most], np.asarray(y)[:most])


def _evade(
    victim: Victim,
    attack: EvasionAttack,
    audit: EvasionAudit,
    own: Records,
    surrogate: WhiteBox | None,
    out: Path | None,
    progress: Progress | None,
) -> Examples:
    identity = {} if out is None else _identity(victim, audit, own, surrogate)
    if attack.white_box and isinstance(attack, WhiteBoxAttack) and judged_behind(victim):
        attack, surrogate = plan_of(victim, attack, adaptive=audit.adaptive)
    if attack.white_box:
        if out is not None:
            claim(out, "evasion", identity, victim.oracle)
        return from_weights(attack, victim, own, audit.seed, progress)
    with open_session(victim.oracle, kind="evasion", identity=identity, out=out, budget=audit.budget) as session:
        return from_answers(attack, victim, own, session, audit.seed, audit.extract, audit.copies, surrogate, progress)


def _words(audit: EvasionAudit) -> dict[str, Any]:
    """What is tried, as plain values."""
    return {
        "method": label(audit.attack, ATTACKS),
        "extract": None if audit.extract is None else label(audit.extract, EXTRACTION_ATTACKS),
        "copies": audit.copies,
        **({"adaptive": True} if audit.adaptive else {}),
        "records": audit.records,
        "budget": audit.budget,
        "seed": audit.seed,
    }


def _identity(victim: Victim, audit: EvasionAudit, own: Records, surrogate: WhiteBox | None) -> dict[str, Any]:
    """What decides the questions."""
    words = _words(audit)
    for name in ("records", "budget"):
        del words[name]
    copy_hash = None if surrogate is None else fingerprint_of([*map(np.asarray, jax.tree.leaves(surrogate.variables))])
    return victim.identity | words | {"changes": fingerprint_of(list(own)), "surrogate": copy_hash}


def _conclude(
    victim: Victim, attack: EvasionAttack, audit: EvasionAudit, own: Records, examples: Examples, begin: float
) -> EvasionResult:
    evasion = examples.evasion
    answer = None if victim.twin is None else victim.twin(evasion.example).label
    again = 0 if answer is None else int((evasion.right & evasion.success & (answer == own.y)).sum())
    entries, pictures = gallery(victim.oracle.access.inputs, own.x, own.y, evasion, answer)
    findings = EvasionFindings(
        title=f"{victim.name} · {'adaptive ' if audit.adaptive else ''}{attack.name}"
        + (f" after {_words(audit)['extract']}" if audit.extract else ""),
        victim=target_findings(victim),
        attack=AttackFindings(
            name=attack.name,
            settings=settings(attack),
            white_box=attack.white_box,
            converged=evasion.converged,
            complete=evasion.complete,
            reason=evasion.reason,
            stolen=None if examples.stolen is None else stolen_findings(examples.stolen),
            notes=evasion.notes,
        ),
        success=success_findings(evasion),
        distance=distance_findings(evasion),
        curve=curve_findings(evasion),
        questions=question_findings(evasion),
        records=record_findings(evasion, own.y, answer),
        gallery=entries,
        warnings=(
            *examples.warnings,
            *evasion.warnings,
            *([unaware(victim)] if attack.white_box and judged_behind(victim) and not audit.adaptive else []),
            *([_CONTRADICTED.format(again)] if again else []),
        ),
        notes=victim.notes,
        cost=_cost(examples, time.perf_counter() - begin),
        config={"victim": victim.name, **_words(audit), "access": terms(victim.oracle)},
        environment=environment(),
    )
    return EvasionResult(evasion=evasion, findings=findings, pictures=pictures)


def _cost(examples: Examples, total: float) -> CostFindings:
    return CostFindings(
        **query_cost(examples.cost, examples.prepaid),
        questions=int(examples.evasion.questions.sum()),
        gradients=examples.evasion.gradients,
        seconds=Seconds(**examples.seconds, total=total),
        memory_bytes=peak_memory(),
        device=device(),
    )


def _write(out: Path, own: Records, evasion: Evasion) -> None:
    make_folder(out)
    arrays = {name: getattr(evasion, name) for name in ("example", "right", "success", "questions", "first")}
    write_arrays(out / "examples.npz", {"x": own.x, "y": own.y, **arrays, **evasion.distance._asdict()})

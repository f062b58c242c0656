"""Make records back from a model and say how much they give away: a victim, an attack, an evaluation model, findings.

Whoever reads the evaluation should know that what is recognised is a class: that a record was a member is the question of
membership inference. The evaluation model has another architecture, and has learnt from the records that the victim has
not seen; the pictures beside a reconstruction are of the members, which the attack never saw.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxattack.attacks.extraction import ATTACKS as EXTRACTION_ATTACKS
from jaxattack.attacks.inversion import ATTACKS, LEAST, Boundary, MiFace, Numeric, Ppa
from jaxattack.attacks.inversion.gradient import ATTACKS as GRADIENT_ATTACKS
from jaxattack.attacks.inversion.gradient import GradientAttack
from jaxattack.attacks.inversion.target import check_targets, require
from jaxattack.attacks.naming import label
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.extraction import stolen_findings, target_findings
from jaxattack.audit.findings.cost import query_cost
from jaxattack.audit.findings.inversion import (
    AttackFindings,
    CostFindings,
    InversionFindings,
    Seconds,
    Sides,
    TargetRow,
    UpdateFindings,
    VictimFindings,
)
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.judge import Evaluation, baseline, evaluation_model, gallery, judge
from jaxattack.audit.model_source import EXAMPLE
from jaxattack.audit.reconstructions import Reconstructions, from_answers, from_gradients, from_weights, held_by_users
from jaxattack.audit.session import claim, open_session, settings, terms
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.disk import make_folder, write_arrays
from jaxattack.models import Architecture
from jaxattack.models.source import ModelSource
from jaxattack.models.source import label as model_label
from jaxattack.training import check_seed
from jaxattack.types import (
    ExtractionAttack,
    InputError,
    Inversion,
    InversionAttack,
    Oracle,
    Progress,
    WhiteBox,
    at_least,
    check_arguments,
    config,
)

EVALUATION = Architecture(name="mlp:256")
"""What the evaluation model is by default."""


@config
class InversionAudit:
    """What is tried on a victim.

    Attributes:
        attack: None for the one that fits the victim.
        targets: the classes whose records are made, by number or by name; all where there are none. Gradient inversion makes
            its users' records instead.
        extract: steal the model first, with this attack, and invert what was stolen.
        budget: queries, at most; None for what the attack asks by itself.
        seed: decides everything random.
        evaluation: what the evaluation model is, as `jaxattack.models.source` says.
        users: how many send the gradient of their records, for gradient inversion.
        batch: records of each user.
        trained: whether they send it at the trained weights, and not at fresh ones as in the first round of training.

    Raises:
        InputError: a value out of range, or a word where an attack is due.
    """

    attack: InversionAttack | GradientAttack | None = field(
        default=None, metadata={"example": "jaxattack.attacks.inversion.MiFace()"}
    )
    targets: tuple[int | str, ...] = ()
    extract: ExtractionAttack | None = field(
        default=None, metadata={"example": "jaxattack.attacks.extraction.Softmax()"}
    )
    budget: int | None = None
    seed: int = 0
    evaluation: ModelSource = field(default=EVALUATION, metadata={"example": EXAMPLE})
    users: int = 8
    batch: int = 1
    trained: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)
        at_least(1, users=self.users, batch=self.batch, budget=self.budget)

    @property
    def untrained(self) -> bool:
        """Whether it asks for nothing but a network's first weights."""
        return by_gradient(self.attack) and not self.trained


def by_gradient(attack: InversionAttack | GradientAttack | None) -> bool:
    """Whether an attack inverts gradients, and not classes."""
    return attack is not None and not isinstance(attack, InversionAttack)


def attack_label(attack: InversionAttack | GradientAttack) -> str:
    """The name from which the command line reads an attack back."""
    return label(attack, {**ATTACKS, **GRADIENT_ATTACKS})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InversionResult(Reportable):
    """An inversion with its findings.

    Attributes:
        inversion: the records that were reconstructions.
        findings: what they give away and what they cost, for `jaxattack.report`.
        pictures: those that the findings number.
    """

    inversion: Inversion
    findings: InversionFindings
    pictures: Mapping[int, np.ndarray]


@check_arguments("out", "progress")
def invert(
    victim: Victim | Oracle | WhiteBox,
    attack: InversionAttack | GradientAttack | None = None,
    *,
    targets: tuple[int | str, ...] = (),
    extract: ExtractionAttack | None = None,
    budget: int | None = None,
    seed: int = 0,
    evaluation: ModelSource = EVALUATION,
    users: int = 8,
    batch: int = 1,
    trained: bool = False,
    evaluator: Evaluation | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> InversionResult:
    """Make a record of each class and judge it.

    Args:
        victim: what is inverted, and the records that judge it; beside a bare oracle or white box nothing judges but the
            victim itself.
        attack: how; None for the attack that fits the victim.
        targets: the classes; as all up to ``trained`` see `InversionAudit`.
        extract: steal the model first.
        budget: queries, at most.
        seed: decides everything random.
        evaluation: the evaluation model.
        users: for gradient inversion.
        batch: of each user.
        trained: which weights they send gradients at.
        evaluator: the evaluation model of a victim with the same records and members, where it is trained already.
        out: a folder that keeps every answer, and gets the reconstructions. Given again, answers that are there are not
            paid for again.
        progress: called as the attack goes on.

    Raises:
        InputError: bad input, a foreign folder, or a victim that cannot be believed or reached.

    Example:
        >>> inverted = ja.invert(ja.open_victim("softmax", data="iris"), ja.attacks.inversion.MiFace(restarts=1, steps=20))
        >>> inverted.findings.attack.name
        'mi-face'
    """
    out = None if out is None else Path(out)
    begin = time.perf_counter()
    audit = InversionAudit(
        attack=attack, targets=targets, extract=extract, budget=budget, seed=seed, evaluation=evaluation, users=users,
        batch=batch, trained=trained,
    )  # fmt: skip
    target = as_victim(victim)
    method, audit = planned_inversion(target, audit)
    reconstructions = _reconstruct(target, method, audit, out, progress)
    if out is not None:
        _write(out, reconstructions.inversion)
    return _conclude(target, method, audit, reconstructions, evaluator, begin, progress)


def planned_inversion(victim: Victim, audit: InversionAudit) -> tuple[InversionAttack | GradientAttack, InversionAudit]:
    """The attack, and the audit with it and with numbers for classes; what cannot be done is refused before anything is.

    Args:
        victim: which need not be trained yet.
        audit: what is to be tried on it.

    Raises:
        InputError: a victim without classes, or that answers too little, a class that it does not have, more records of users
            than it has members, or what the attack has no use for.
    """
    access = victim.oracle.access
    if access.classes < 2:
        raise InputError(f"{victim.name} answers a number and no class: inverting a class needs a classifier.")
    attack = audit.attack or usual_attack(victim, audit.extract, audit.budget)
    _refuse_unused(victim, attack, audit)
    targets = _numbered(victim, audit.targets)
    check_targets(np.array(targets), access.classes)
    if isinstance(attack, InversionAttack) and not attack.white_box:
        require(attack, victim.oracle, victim.pool)
    if by_gradient(attack) and victim.member is not None:
        held_by_users(victim.member, audit.users, audit.batch)
    return attack, replace(audit, attack=attack, targets=targets)


def usual_attack(victim: Victim, extract: ExtractionAttack | None, budget: int | None = None) -> InversionAttack:
    """What the victim allows.

    Where there are weights, or will be: descent in a generator's latent space, whose records a person recognises, or on the
    record itself where the attacker has too few records for a generator to learn from. Else what the answers allow, which a
    budget or defences ask for as well: weights have neither.
    """
    answers = budget is not None or bool(victim.chain)
    if extract is not None or (victim.inside is not None and not answers):
        return MiFace() if victim.pool is None or len(victim.pool) < LEAST else Ppa()
    return Boundary() if victim.oracle.access.level == "label" else Numeric()


def _refuse_unused(victim: Victim, attack: InversionAttack | GradientAttack, audit: InversionAudit) -> None:
    """Refuse what would change nothing, and whose figures would read as if it had.

    Raises:
        InputError: a budget or defences of an attack that asks nothing, classes of one that makes users' records, or a theft
            for one that does not need it.
    """
    if by_gradient(attack) and audit.targets:
        raise InputError(f"targets is {audit.targets} and {attack.name} makes users' own records: leave targets out.")
    if audit.extract is not None and by_gradient(attack):
        raise InputError(f"{attack.name} inverts what users of shared training send: leave extract out.")
    if audit.extract is not None and isinstance(attack, InversionAttack) and not attack.white_box:
        raise InputError(
            f"{attack.name} asks the victim itself and has no use for a stolen model: leave extract out, or give mi-face."
        )
    asks = isinstance(attack, InversionAttack) and (not attack.white_box or audit.extract is not None)
    defences = " and ".join(type(defence).__name__ for defence, _ in victim.chain)
    for name, value in (("budget", audit.budget), ("defences", defences)):
        if value and not asks:
            raise InputError(
                f"{name} is {value} and {attack.name} asks the model nothing: leave {name} out, or give numeric, boundary, or "
                "extract, so that it inverts what it steals."
            )


def _numbered(victim: Victim, targets: tuple[int | str, ...]) -> tuple[int, ...]:
    """Targets as numbers of columns; all of them where none are given.

    Classes that are named by numbers, as those of a victim that lacks some, are meant by their names: of 0 and 2 the 2 is the
    second column.

    Raises:
        InputError: the victim has no class of a name.
    """
    names = victim.class_names
    if names and all(re.fullmatch(r"-?\d+", name) for name in names):
        targets = tuple(map(str, targets))
    for name in targets:
        if isinstance(name, str) and name not in names:
            classes = f"has the classes {', '.join(names[:10])}" if names else "has classes without names"
            raise InputError(
                f"target is {name!r} and {victim.name} {classes}: give the number of a class, or its name."
            )
    every = targets or range(victim.oracle.access.classes)
    return tuple(names.index(target) if isinstance(target, str) else target for target in every)


def _reconstruct(
    victim: Victim,
    attack: InversionAttack | GradientAttack,
    audit: InversionAudit,
    out: Path | None,
    progress: Progress | None,
) -> Reconstructions:
    identity = {} if out is None else _identity(victim, audit)
    if out is not None:
        claim(out, "inversion", identity, victim.oracle)
    if not isinstance(attack, InversionAttack):
        return from_gradients(attack, victim, audit.users, audit.batch, audit.trained, audit.seed, progress)
    targets = np.array(audit.targets)
    if attack.white_box and audit.extract is None:
        return from_weights(attack, victim, targets, audit.seed, progress)
    with open_session(victim.oracle, kind="inversion", identity=identity, out=out, budget=audit.budget) as session:
        return from_answers(attack, victim, targets, session, audit.seed, audit.extract, progress)


def _words(audit: InversionAudit) -> dict[str, Any]:
    """What is tried, as plain values."""
    plain = {field.name: getattr(audit, field.name) for field in fields(audit) if field.name != "attack"}
    return (
        {"method": attack_label(audit.attack) if audit.attack else None}
        | plain
        | {
            "extract": None if audit.extract is None else label(audit.extract, EXTRACTION_ATTACKS),
            "evaluation": model_label(audit.evaluation),
        }
    )


def _identity(victim: Victim, audit: InversionAudit) -> dict[str, Any]:
    """What decides the reconstructions: the victim, and the attack without the model that judges them."""
    words = _words(audit)
    for name in ("evaluation", "budget"):
        del words[name]
    return victim.identity | words


def _conclude(
    victim: Victim,
    attack: InversionAttack | GradientAttack,
    audit: InversionAudit,
    reconstructions: Reconstructions,
    evaluator: Evaluation | None,
    begin: float,
    progress: Progress | None,
) -> InversionResult:
    judge_begin = time.perf_counter()
    # What is recognised in a user's own record is the record itself: there is nothing to judge.
    if reconstructions.truth is not None:
        model = None
    else:
        model = evaluator or evaluation_model(victim, audit.evaluation, audit.seed, progress)
    judgement = judge(victim, reconstructions.inversion, reconstructions.labels, model, reconstructions.truth)
    entries, pictures = gallery(victim, reconstructions.inversion, reconstructions.truth)
    evaluation = time.perf_counter() - judge_begin
    findings = InversionFindings(
        title=f"{victim.name} · {attack.name}"
        + (f" after {label(audit.extract, EXTRACTION_ATTACKS)}" if audit.extract else ""),
        victim=_victim_findings(victim, untrained=audit.untrained),
        attack=_attack_findings(victim, attack, audit, reconstructions, judgement.targets),
        **vars(judgement),
        gallery=entries,
        warnings=reconstructions.warnings,
        notes=victim.notes,
        cost=_cost(reconstructions, evaluation, time.perf_counter() - begin),
        config={"victim": victim.name, **_words(audit), "access": terms(victim.oracle)},
        environment=environment(),
    )
    return InversionResult(inversion=reconstructions.inversion, findings=findings, pictures=pictures)


def _attack_findings(
    victim: Victim,
    attack: InversionAttack | GradientAttack,
    audit: InversionAudit,
    reconstructions: Reconstructions,
    rows: Sequence[TargetRow],
) -> AttackFindings:
    updates = None
    if reconstructions.truth is not None and reconstructions.found is not None:
        without = baseline(victim, reconstructions.truth)
        updates = UpdateFindings(
            users=audit.users,
            batch=audit.batch,
            trained=audit.trained,
            labels=reconstructions.found,
            baseline=None if without is None else float(without.mean()),
            nearer=None if without is None else sum(row.psnr > at for row, at in zip(rows, without, strict=True)),
        )
    return AttackFindings(
        name=attack.name,
        settings=settings(attack),
        complete=reconstructions.inversion.complete,
        reason=reconstructions.inversion.reason,
        notes=reconstructions.inversion.notes,
        white_box=attack.white_box if isinstance(attack, InversionAttack) else True,
        updates=updates,
        stolen=None if reconstructions.stolen is None else stolen_findings(reconstructions.stolen),
    )


def _cost(reconstructions: Reconstructions, evaluation: float, total: float) -> CostFindings:
    return CostFindings(
        **query_cost(reconstructions.cost, reconstructions.prepaid),
        gradients=reconstructions.inversion.gradients,
        seconds=Seconds(**reconstructions.seconds, evaluation=evaluation, total=total),
        memory_bytes=peak_memory(),
        device=device(),
    )


def _victim_findings(victim: Victim, *, untrained: bool) -> VictimFindings:
    """A victim and its terms, how many members it has, and how often it is right about them and about others."""
    about = vars(target_findings(victim))
    if untrained or victim.dataset is None or victim.member is None:
        return VictimFindings(**about)
    dataset, member = victim.dataset, victim.member
    shape = victim.oracle.access.inputs.shape

    def right(side: np.ndarray) -> float | None:
        x = dataset.x[side].reshape(-1, *shape).astype(np.float64)
        return float((victim.ask(x).label == dataset.y[side]).mean()) if side.any() else None

    sides = Sides(members=right(member), others=right(~member))
    return VictimFindings(**about, members=int(member.sum()), accuracy=sides)


def _write(out: Path, inversion: Inversion) -> None:
    make_folder(out)
    arrays = {name: getattr(inversion, name) for name in ("target", "x", "restarts", "score", "steps")}
    write_arrays(out / "reconstructions.npz", arrays)

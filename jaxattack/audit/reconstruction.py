"""Reconstruct what a victim was trained on, and say how much of that the model gave away: a victim, an attack, findings.

`jaxattack.audit.experiment` says what an attacker is handed, `jaxattack.audit.baseline` what it is compared with.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import UInt8

from jaxattack.attacks.naming import label
from jaxattack.attacks.reconstruction import (
    ATTACKS,
    KKT,
    Convex,
    Informed,
    TreeCounts,
    Update,
    UpdateRecord,
)
from jaxattack.attacks.reconstruction.property import OfClasses, Property
from jaxattack.audit.attackers import prepare, secret_of
from jaxattack.audit.baseline import judge
from jaxattack.audit.environment import environment
from jaxattack.audit.experiment import Case, Experiment, Question, in_units, numbers
from jaxattack.audit.findings import values
from jaxattack.audit.findings.reconstruction import (
    ReconstructionFindings,
    Seconds,
)
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.reconstruction_findings import attack_findings, cost_findings, gallery, victim_findings
from jaxattack.audit.session import Session, claim, open_session
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.data import unscaled_columns
from jaxattack.disk import make_folder, write_arrays
from jaxattack.training import Recipe, check_seed
from jaxattack.types import (
    Defence,
    InputError,
    Oracle,
    Progress,
    Reconstruction,
    ReconstructionAttack,
    WhiteBox,
    at_least,
    check_arguments,
    config,
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReconstructionResult(Reportable):
    """A reconstruction with its findings.

    Attributes:
        reconstruction: what the attack made.
        findings: what that says.
        pictures: number -> picture, which the findings' gallery numbers; empty where records are none.
    """

    reconstruction: Reconstruction
    findings: ReconstructionFindings
    pictures: dict[int, UInt8[np.ndarray, "height width channel"]]


@config
class ReconstructionAudit:
    """What is tried on a victim.

    Attributes:
        attack: None for the one that fits the victim.
        budget: queries, at most; None for what the attack asks by itself.
        seed: decides everything random.

    Raises:
        InputError: a value out of range, or a word where an attack is due.
    """

    attack: ReconstructionAttack | None = field(
        default=None, metadata={"example": "jaxattack.attacks.reconstruction.Convex()"}
    )
    budget: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        at_least(1, budget=self.budget)


@check_arguments("out", "progress")
def reconstruct(
    victim: Victim | Oracle | WhiteBox,
    attack: ReconstructionAttack | None = None,
    *,
    targets: int = 200,
    secret: tuple[int, ...] = (),
    has: Property = OfClasses(),
    recipe: Recipe = Recipe(),
    update: Update = Update(),
    defences: tuple[Defence, ...] = (),
    seed: int = 0,
    budget: int | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> ReconstructionResult:
    """Reconstruct records, attributes or properties of a victim's training set, and judge them.

    Args:
        victim: a model with the records that it was trained on and others.
        attack: how; None for one that fits the victim.
        targets: as `Question`, and so the others up to ``defences``.
        secret: the columns of the attribute that is guessed.
        has: the property whose share is asked for.
        recipe: how the victims and the shadow models that an audit trains are trained.
        update: how a victim is updated on one more record.
        defences: before its answers.
        seed: decides everything random.
        budget: queries, at most; what the attack asks by itself by default.
        out: a folder that gets the reconstruction, and keeps the answers of attribute inference: they are not paid for
            again. Without one nothing stays on the disk.
        progress: called as the attack goes on.

    Raises:
        InputError: a word where an object is due, a victim that the attack cannot read, or without records; a foreign
            folder; a budget that ends before the first target.

    Example:
        >>> victim = ja.open_victim("newton", data="iris")
        >>> ja.reconstruct(victim, ja.attacks.reconstruction.Convex(), targets=5).findings.attack.name
        'convex'
    """
    out = None if out is None else Path(out)
    question = Question(
        targets=targets, secret=secret, has=has, recipe=recipe, update=update, defences=defences
    )  # fmt: skip
    begin = time.perf_counter()
    audit = ReconstructionAudit(attack=attack, budget=budget, seed=seed)
    victim = as_victim(victim)
    attack = audit.attack or usual_attack(victim)
    case = _case(victim, attack, question, seed, budget, progress)
    identity = victim.identity | {"attack": label(attack, ATTACKS), "question": values(question), "seed": seed}
    if out is not None:
        claim(out, "reconstruction", identity, case.oracle)
    with _session(case, identity, out) as (case, session):
        experiment = prepare(case)
        prepared = time.perf_counter()
        reconstruction = attack(experiment.knowledge, seed=seed, progress=progress)
        reconstruction = (
            reconstruction
            if reconstruction.value.ndim < 2
            else replace(reconstruction, value=in_units(case, experiment, reconstruction.value))
        )
        steps = (begin, prepared, time.perf_counter())
    return _conclude(case, experiment, reconstruction, steps, session, out)


def _conclude(
    case: Case,
    experiment: Experiment,
    reconstruction: Reconstruction,
    steps: tuple[float, float, float],
    session: Session | None,
    out: Path | None,
) -> ReconstructionResult:
    """Judge a reconstruction, and say what there is to say; ``steps`` are when the audit, the attack and judging began."""
    victim, attack = case.victim, case.attack
    judgement = judge(experiment, reconstruction, case.dataset, case.inputs, case.seed)
    entries, pictures = gallery(case, experiment, reconstruction, judgement)
    if out is not None:
        _keep(out, experiment, reconstruction)
    begin, prepared, attacked = steps
    now = time.perf_counter()
    seconds = Seconds(
        victims=prepared - begin, attack=attacked - prepared, judging=now - attacked, total=now - begin
    )  # fmt: skip
    name = label(attack, ATTACKS)
    findings = ReconstructionFindings(
        title=f"{victim.name} · {attack.name}",
        victim=victim_findings(case, experiment),
        attack=attack_findings(attack, reconstruction, experiment),
        comparisons=judgement.comparisons,
        targets=judgement.targets,
        secrets=judgement.secrets,
        gallery=entries,
        warnings=tuple(session.warnings) if session else (),
        notes=(*victim.notes, *_notes_on_scale(case, experiment)),
        cost=cost_findings(reconstruction, session.prepaid if session else 0, seconds),
        config={"victim": victim.name, "attack": name, "seed": case.seed, "budget": case.budget}
        | values(case.question),
        environment=environment(),
    )
    return ReconstructionResult(reconstruction=reconstruction, findings=findings, pictures=pictures)


def _notes_on_scale(case: Case, experiment: Experiment) -> tuple[str, ...]:
    """A sentence where columns are far from one scale, that says on which the networks that the attack needs take them."""
    dataset, training = case.victim.dataset, experiment.knowledge.training
    assert dataset is not None
    columns = unscaled_columns(dataset)
    if not columns or (training is None and not isinstance(case.attack, KKT)):
        return ()
    far = f"{sum(columns)} of {len(columns)} columns of {dataset.name} are far from one scale, and"
    if experiment.scale is not None:
        return (f"{far} the networks that this audit trains take them on that of records that the attacker knows.",)
    if training is not None and training.columns:
        return (f"{far} the attacker's own network takes them on that of its members.",)
    if training is None:
        return (
            f"{far} what {case.attack.name} solves holds on the scale that the network learnt on: scale the table first.",
        )
    return (
        f"{far} networks that are trained for the attack take them as they are: scale the table first, by figures that are public.",
    )


def check_reconstruction(
    victim: Victim, attack: ReconstructionAttack | None, question: Question, *, seed: int = 0, budget: int | None = None
) -> None:
    """Refuse what cannot be asked of a victim, which need not be trained yet.

    Args:
        victim: with its records.
        attack: what is to be tried; None for one that fits it.
        question: what is to be asked.
        seed: decides which records are whose.
        budget: queries, at most.

    Raises:
        InputError: too few records, what the attack has no use for, or no attribute.
    """
    attack = attack or usual_attack(victim)
    _refuse_unused(attack, question, budget)
    case = _case(victim, attack, replace(question, defences=()), seed, budget, None)
    _, _, pool = case.draw()
    if attack.goal == "attribute":
        secret_of(case.dataset.x.reshape(len(case.dataset), -1).astype(np.float64), question.secret, pool)


def usual_attack(victim: Victim) -> ReconstructionAttack:
    """The attack that fits what a victim is.

    Raises:
        InputError: none does without being told what to look for.
    """
    if victim.estimator is not None:
        return TreeCounts() if hasattr(victim.estimator, "tree_") else Convex()
    if victim.inside is None:
        raise InputError(
            f"{victim.name} is neither a network of this package nor an estimator that is fitted here: name the attack, csmia."
        )
    params = victim.inside.variables.params
    if isinstance(params, dict) and "kernels" in params:
        return KKT()
    return (
        UpdateRecord() if len(jax.tree.leaves(params)) == 2 else Informed()
    )  # a kernel and a bias: softmax regression


def _case(
    victim: Victim,
    attack: ReconstructionAttack,
    question: Question,
    seed: int,
    budget: int | None,
    progress: Progress | None,
) -> Case:
    if victim.dataset is None or victim.member is None:
        raise InputError(
            f"{victim.name} comes without the records that it was trained on: a reconstruction is judged by them; give a "
            "model folder, or a victim that is trained here."
        )
    _refuse_unused(attack, question, budget)
    oracle = victim.behind(question.defences, seed=seed).oracle
    return Case(
        attack,
        victim,
        numbers(victim.dataset),
        np.asarray(victim.member, bool),
        question,
        oracle,
        seed,
        budget,
        progress,
    )


def _refuse_unused(attack: ReconstructionAttack, question: Question, budget: int | None) -> None:
    """Refuse what an attack has no use for.

    Raises:
        InputError: defences or a budget of an attack that asks nothing, or a secret where no attribute is guessed.
    """
    if not attack.levels:
        for name, value in (("defences", question.defences), ("budget", budget)):
            if value:
                raise InputError(f"{name} is {value} and {attack.name} asks the model nothing: leave {name} out.")
    if question.secret and attack.goal != "attribute":
        raise InputError(f"secret is {question.secret} and {attack.name} guesses no attribute: leave secret out.")


@contextmanager
def _session(case: Case, identity: dict[str, Any], out: Path | None):
    """The case with an oracle that is checked, kept and within the budget, where the attack asks the victim itself."""
    if "answers" not in case.attack.needs or "updates" in case.attack.needs:
        yield case, None
        return
    with open_session(case.oracle, kind="reconstruction", identity=identity, out=out, budget=case.budget) as session:
        yield case._replace(oracle=session.oracle), session


def _keep(out: Path, experiment: Experiment, reconstruction: Reconstruction) -> None:
    arrays = {"target": experiment.index, "value": reconstruction.value, "score": reconstruction.score}
    make_folder(out)
    write_arrays(
        out / "reconstructions.npz", arrays | ({} if reconstruction.label is None else {"label": reconstruction.label})
    )

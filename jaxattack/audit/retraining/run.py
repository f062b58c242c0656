"""Poison a training set, train victims from scratch on it, and say what it does to them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.poisoning import CostFindings, PoisoningFindings, Seconds, VictimFindings
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.records import Standardise, choose_records
from jaxattack.audit.retraining.bounds import bound_findings
from jaxattack.audit.retraining.cells import lay_out
from jaxattack.audit.retraining.crafting import Craft, craft_all, prepare_attacker
from jaxattack.audit.retraining.findings import Outcome, attack_findings, clean_findings, gallery, target_findings
from jaxattack.audit.retraining.leakage import leakage_findings
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.retraining.split import split
from jaxattack.audit.retraining.sweep import claim_folder, identity, read_or_craft, train_victims
from jaxattack.audit.sweep import folder_or_none
from jaxattack.data.sanitise import Sanitise
from jaxattack.models.source import ModelSource
from jaxattack.models.source import label as model_label
from jaxattack.training import Placement
from jaxattack.training.learners import Standard
from jaxattack.types import Dataset, Learner, PoisonAttack, Progress, check_arguments


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PoisonResult(Reportable):
    """A poisoning with its findings.

    Attributes:
        findings: whom the poison makes err, for `jaxattack.report`.
        crafts: the poison itself, of each attack, share and target.
        pictures: those that the findings number.
    """

    findings: PoisoningFindings
    crafts: tuple[Craft, ...]
    pictures: Mapping[int, np.ndarray]


@check_arguments("out", "placement", "progress")
def poison(
    out: str | Path | None = None,
    *,
    model: ModelSource,
    dataset: Dataset,
    attacks: tuple[PoisonAttack, ...],
    learner: Learner = Standard(),
    shares: tuple[float, ...] = (0.01, 0.03, 0.1),
    seeds: int = 8,
    targets: int = 4,
    sanitise: tuple[Sanitise, ...] = (),
    frozen: bool = False,
    leakage: int = 0,
    records: int | None = None,
    standardise: Standardise = "members",
    seed: int = 0,
    placement: Placement = Placement(),
    progress: Progress | None = None,
) -> PoisonResult:
    """Poison a training set, train victims from scratch on it, and say how much more they err and about what.

    All shares, seeds, targets and filters are one sweep. What is judged has no seed, record or model in common with what the poison
    was made on. Arguments up to ``seed`` as of `jaxattack.audit.PoisonAudit`.

    Args:
        out: a folder; given again, only victims that it lacks are trained. Nothing stays on the disk without one.
        model: what every victim is.
        dataset: the records.
        attacks: what makes the poison.
        learner: how every victim learns.
        shares: of poison, of the training set.
        seeds: victims of each training set.
        targets: records that shall be taken for another class.
        sanitise: filters of the training set.
        frozen: victims train a last layer alone.
        leakage: models of a sweep of membership.
        records: use this many.
        standardise: what is done to columns far from one scale.
        seed: decides everything random.
        placement: how the work is cut.
        progress: called as work is done.

    Raises:
        InputError: bad input, records that an attack cannot poison, or a foreign folder.

    Example:
        >>> attacks = (ja.attacks.poisoning.RandomFlips(),)
        >>> network, recipe = ja.models.Architecture(name="softmax"), ja.learners.Standard(recipe=ja.Recipe(epochs=5))
        >>> poisoned = ja.poison(model=network, dataset=ja.load("iris"), attacks=attacks, learner=recipe, shares=(0.4,), seeds=2)
        >>> [point.poison for point in poisoned.findings.attacks[0].points]
        [30]
    """
    audit = PoisonAudit(
        model=model, dataset=dataset, attacks=attacks, learner=learner, shares=shares, seeds=seeds, targets=targets,
        sanitise=sanitise, frozen=frozen, leakage=leakage, records=records,
        standardise=standardise, seed=seed,
    )  # fmt: skip
    with folder_or_none(out) as folder:
        return run_poisoning(folder, audit, placement=placement, progress=progress)


def _several(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} attacks"


def run_poisoning(
    out: Path, audit: PoisonAudit, *, placement: Placement = Placement(), progress: Progress | None = None
) -> PoisonResult:
    """As `jaxattack.poison`, its arguments as one value."""
    begin = time.perf_counter()
    records = choose_records(audit.dataset, audit.records, audit.seed)
    parts = split(records, audit.standardise, audit.seed)
    for attack in audit.attacks:
        attack.check(parts.train)
    terms = identity(audit, records)
    claim_folder(out, terms)
    attacker = prepare_attacker(audit, parts)
    crafts = read_or_craft(out, terms, lambda: craft_all(audit, parts, attacker, progress))
    ready = time.perf_counter()
    layout, cells = lay_out(audit, parts, attacker, crafts)
    answers = train_victims(audit, layout, cells, attacker, terms, out, placement, progress)
    trained = time.perf_counter()
    outcome = Outcome(audit, layout, cells, crafts, attacker, answers.right)
    entries, pictures = gallery(outcome, parts.train)
    findings = PoisoningFindings(
        title=f"{records.name} · {model_label(audit.model)} · poison by {_several(audit.names)}",
        victim=VictimFindings(
            model=model_label(audit.model),
            data=records.name,
            classes=records.classes,
            train=len(parts.train),
            own=len(parts.own),
            held_out=len(parts.held_out),
            seeds=audit.seeds,
            frozen=audit.frozen,
        ),
        clean=clean_findings(outcome),
        attacks=attack_findings(outcome),
        targets=target_findings(outcome),
        bound=bound_findings(audit, parts, progress),
        leakage=leakage_findings(audit, parts, out, placement, progress),
        gallery=entries,
        notes=parts.notes,
        cost=CostFindings(
            victims=len(cells) * audit.seeds,
            sets=len(cells),
            gradient_steps=answers.gradient_steps,
            seconds=Seconds(crafting=ready - begin, training=trained - ready, total=time.perf_counter() - begin),
            memory_bytes=peak_memory(),
            device=device(),
        ),
        config={"data": records.name, "model": model_label(audit.model), **audit.words()},
        environment=environment(),
    )
    return PoisonResult(findings=findings, crafts=crafts, pictures=pictures)

"""Infer a victim's architecture and training from its answers: a zoo, an attack, a victim, findings."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.attacks.architecture import ATTACKS, KennenO, Zoo
from jaxattack.attacks.architecture.zoo import FEWEST
from jaxattack.attacks.naming import label
from jaxattack.audit.architecture.checks import (
    check_records,
    check_victim,
    finite_networks,
    grid_terms,
    require_images,
)
from jaxattack.audit.architecture.judge import SPLITS, Split, judge
from jaxattack.audit.architecture.victim import zoo_victim
from jaxattack.audit.architecture.zoo_folder import Records, build_zoo, split_records
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.extraction import target_findings
from jaxattack.audit.findings.architecture import (
    ArchitectureFindings,
    AttackFindings,
    AttributeFindings,
    CostFindings,
    Seconds,
    SplitFindings,
    ZooFindings,
)
from jaxattack.audit.findings.cost import query_cost
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.session import check_folder, open_session, settings, terms
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.data import fingerprint
from jaxattack.models.attribute_grid import ATTRIBUTES, GridNetwork
from jaxattack.training import check_seed
from jaxattack.training.grid import GridRecipe
from jaxattack.training.images import as_input
from jaxattack.types import (
    Access,
    Answer,
    ArchitectureAttack,
    BudgetSpent,
    Dataset,
    Defence,
    InputError,
    Ledger,
    Oracle,
    Progress,
    at_least,
    check_arguments,
    config,
)

GRID = "grid"
"""The victim that is the last network of the zoo, from which the attack does not learn."""


@config
class ArchitectureAudit:
    """What is tried on a victim.

    Attributes:
        attack: how; kennen-o by default.
        nets: networks of the zoo.
        recipe: how they are trained.
        splits: in which ways the zoo is cut to see how good the attack is: random, architecture, depth, shuffled.
        budget: queries, at most; None for what the attack asks by itself.
        seed: decides everything random.

    Raises:
        InputError: a value out of range, or a word where an attack is due.
    """

    attack: ArchitectureAttack = field(
        default=KennenO(), metadata={"example": "jaxattack.attacks.architecture.KennenO()"}
    )
    nets: int = 192
    recipe: GridRecipe = GridRecipe()
    splits: tuple[Split, ...] = SPLITS
    budget: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        at_least(FEWEST + 1, nets=self.nets)
        at_least(1, budget=self.budget)
        if len(set(self.splits)) < len(self.splits):
            raise InputError(f"splits is {', '.join(self.splits)}: name each once.")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ArchitectureResult(Reportable):
    """An inference with its findings.

    Attributes:
        posterior: of each attribute's values, in the order of `jaxattack.models.attribute_grid.ATTRIBUTES`; 0 beyond them.
        zoo: what the attack learnt from.
        findings: what the answers say, and how good that is, for `jaxattack.report`.
    """

    posterior: Float[np.ndarray, "attribute value"]
    zoo: Zoo
    findings: ArchitectureFindings


@check_arguments("out", "zoo", "progress")
def architecture(
    victim: Victim | Oracle | None = None,
    attack: ArchitectureAttack = KennenO(),
    *,
    dataset: Dataset | None = None,
    nets: int = 192,
    recipe: GridRecipe = GridRecipe(),
    splits: tuple[Split, ...] = SPLITS,
    defences: tuple[Defence, ...] = (),
    budget: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    zoo: str | Path | None = None,
    progress: Progress | None = None,
) -> ArchitectureResult:
    """Infer what a model is, and how it was trained, from its answers (Oh et al. 2018).

    Args:
        victim: what is asked; None for the last network of the zoo, from which the attack does not learn, and whose
            attributes tell whether it is right.
        attack: how, and so the others up to ``splits`` as `ArchitectureAudit`.
        dataset: images on which the zoo is trained; those of the victim where it has some.
        nets: networks of the zoo.
        recipe: how they are trained.
        splits: in which ways the zoo is cut to see how good the attack is.
        defences: before the victim's answers; the attack does not know of them.
        budget: queries, at most.
        seed: decides everything random.
        out: a folder that keeps every answer, and the zoo where that has no folder of its own.
        zoo: a folder that keeps the networks: one that has them is read, and grows where it has too few.
        progress: called as the attack goes on.

    Raises:
        InputError: bad input, no images, a victim that does not take them, another's folder, or a budget that does not hold
            the questions.

    Example:
        >>> labels = ja.attacks.architecture.KennenO(output="label")
        >>> ja.architecture(attack=labels, dataset=ja.load("iris"))
        Traceback (most recent call last):
        ...
        jaxattack.error.InputError: iris has no images, which the networks of the grid take: give images, such as digits.
    """
    begin = time.perf_counter()
    audit = ArchitectureAudit(attack=attack, nets=nets, recipe=recipe, splits=splits, budget=budget, seed=seed)
    target = None if victim is None else as_victim(victim).behind(defences, seed=seed)
    data = require_images(target, dataset)
    folder = Path(zoo) if zoo is not None else None if out is None else Path(out) / "zoo"
    records = split_records(data, seed)
    # A zoo takes minutes: what would be refused after it is refused before.
    if out is not None:
        check_folder(Path(out), "architecture")
    check_records(attack, records)
    check_victim(attack, grid_terms(data, defences) if target is None else target.oracle.access, data)
    network = GridNetwork(shape=data.shape, classes=data.classes)
    networks = build_zoo(network, recipe, records, nets, seed=seed, folder=folder, progress=progress)
    usable = finite_networks(networks, folder)
    left_out = len(networks) - len(usable)
    target, truth, usable = _target(target, usable, records, defences, seed)
    questions = np.asarray(as_input(jnp.asarray(records.fresh.x)))
    access = target.oracle.access
    trained = time.perf_counter()
    found = judge(attack, usable, questions, access, splits, seed=seed, progress=progress)
    ready = time.perf_counter()
    asked = _ask(audit, target, usable, questions, data, None if out is None else Path(out), progress)
    now = time.perf_counter()
    seconds = Seconds(zoo=trained - begin, judging=ready - trained, attack=now - ready, total=now - begin)
    findings = _conclude(audit, target, truth, networks, left_out, data, records, found, asked, seconds)
    return ArchitectureResult(posterior=asked.posterior, zoo=networks, findings=findings)


def _target(
    victim: Victim | None, zoo: Zoo, records: Records, defences: tuple[Defence, ...], seed: int
) -> tuple[Victim, np.ndarray | None, Zoo]:
    """Who is asked, its codes where they are known, and the networks that the attack may learn from."""
    if victim is not None:
        return victim, None, zoo
    last = len(zoo) - 1
    asked = zoo_victim(zoo, last, records).behind(defences, seed=seed)
    return asked, zoo.codes[last], zoo.take(np.arange(last))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Asked:
    """What the victim said.

    Attributes:
        posterior: of each attribute's values; uniform where nothing was answered.
        questions: that the attack asks.
        reason: why they were not answered; empty where they were.
        cost: of all.
        prepaid: queries that an earlier start had paid for.
        warnings: about the answers.
    """

    posterior: Float[np.ndarray, "attribute value"]
    questions: int
    reason: str
    cost: Ledger
    prepaid: int
    warnings: tuple[str, ...]


def _ask(
    audit: ArchitectureAudit,
    victim: Victim,
    zoo: Zoo,
    pool: Float[np.ndarray, "record *feature"],
    data: Dataset,
    out: Path | None,
    progress: Progress | None,
) -> _Asked:
    """Learn from the whole zoo, and ask the victim."""
    access = victim.oracle.access
    reader = audit.attack.fit(zoo, zoo.codes, np.arange(len(zoo)), pool, access, seed=audit.seed, progress=progress)
    x = ((reader.questions.astype(np.float64) + 1) * 127.5).clip(0, 255).reshape(-1, *access.inputs.shape)
    x = x.round() if access.inputs.whole else x
    identity = (
        {} if out is None else victim.identity | _words(audit) | {"zoo": {"nets": len(zoo), "data": fingerprint(data)}}
    )
    with open_session(victim.oracle, kind="architecture", identity=identity, out=out, budget=audit.budget) as session:
        before = session.oracle.ledger
        try:
            answer, reason = session.oracle(x), ""
        except BudgetSpent as refusal:
            answer, reason = None, f"{refusal} The attack asks {len(x)} questions at once."
        cost = session.oracle.ledger - before
        posterior = np.exp(reader(_leading(answer, access))[0]) if answer is not None else _uniform()
        return _Asked(
            posterior=posterior,
            questions=len(x),
            reason=reason,
            cost=cost,
            prepaid=session.prepaid,
            warnings=session.warnings,
        )


def _leading(answer: Answer, access: Access) -> Answer:
    """The answers of one victim as those of a zoo of one."""
    label, probability, logit = (None if part is None else np.asarray(part)[None] for part in answer)
    assert label is not None
    return Answer(label, *((None, None) if access.level == "label" else (probability, logit)))


def _uniform() -> Float[np.ndarray, "attribute value"]:
    most = max(len(attribute.values) for attribute in ATTRIBUTES)
    return np.array([[(value < len(a.values)) / len(a.values) for value in range(most)] for a in ATTRIBUTES])


def _words(audit: ArchitectureAudit) -> dict[str, Any]:
    """What decides the questions, as plain values."""
    return {"method": label(audit.attack, ATTACKS), "nets": audit.nets, **settings(audit.recipe), "seed": audit.seed}


def _conclude(
    audit: ArchitectureAudit,
    victim: Victim,
    truth: np.ndarray | None,
    zoo: Zoo,
    left_out: int,
    data: Dataset,
    records: Records,
    splits: tuple[SplitFindings, ...],
    asked: _Asked,
    seconds: Seconds,
) -> ArchitectureFindings:
    attack, cost = audit.attack, asked.cost
    kinds = [number for number, attribute in enumerate(ATTRIBUTES) if attribute.architecture]
    leaves = jax.tree.leaves(zoo.weights)
    return ArchitectureFindings(
        title=f"{victim.name} · {attack.name}",
        victim=target_findings(victim),
        attack=AttackFindings(
            name=attack.name,
            paper=attack.paper,
            settings=settings(attack),
            questions=asked.questions,
            complete=not asked.reason,
            reason=asked.reason,
            notes={},
        ),
        zoo=ZooFindings(
            data=data.name,
            nets=len(zoo),
            architectures=len(np.unique(zoo.codes[:, kinds], axis=0)),
            parameters=sum(leaf[0].size for leaf in leaves),
            records=len(records.pool),
            accuracy=float(zoo.accuracy.mean()),
            spread=float(zoo.accuracy.std()),
            left_out=left_out,
        ),
        attributes=_attributes(asked.posterior, truth),
        splits=splits,
        warnings=asked.warnings,
        notes=victim.notes,
        cost=CostFindings(
            **query_cost(cost, asked.prepaid),
            models=len(zoo),
            steps=len(zoo) * audit.recipe.steps,
            seconds=seconds,
            memory_bytes=peak_memory(),
            device=device(),
        ),
        config={"victim": victim.name, **_words(audit), "splits": audit.splits, "budget": audit.budget}
        | {"data": data.name, "access": terms(victim.oracle)},
        environment=environment(),
    )


def _attributes(
    posterior: Float[np.ndarray, "attribute value"], truth: np.ndarray | None
) -> tuple[AttributeFindings, ...]:
    return tuple(
        AttributeFindings(
            name=attribute.name,
            values=attribute.values,
            posterior=tuple(map(float, posterior[number, : len(attribute.values)])),
            guess=attribute.values[int(posterior[number].argmax())],
            truth=None if truth is None else attribute.values[int(truth[number])],
        )
        for number, attribute in enumerate(ATTRIBUTES)
    )

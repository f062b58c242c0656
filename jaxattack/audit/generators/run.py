"""A membership audit of generators: train them on known halves, attack every one, and say how far each attack tells members.

A third of the records is the attacker's own, its pool: principal components are fitted on it and its references learn from it. Each
target learns from half of the other two thirds, targets 2k and 2k + 1 sharing them out, so that all generators, targets and
references, learn from sets of one size, and are trained in one program. The other half are a target's non-members, and all of both
thirds are scored.

`score_generators` is the same for generators, or samples of them, that somebody else trained.

Nothing is kept of the generators: an audit that is stopped begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool

from jaxattack.attacks.membership.generators import (
    ATTACKS,
    DEFAULTS,
    Evidence,
    GeneratorAttack,
    GeneratorView,
    select_attacks,
)
from jaxattack.attacks.naming import labelled
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.findings.generator import (
    CostFindings,
    GeneratorFindings,
    Seconds,
)
from jaxattack.audit.generators.judgement import count_samples, describe_generators, judge
from jaxattack.audit.records import choose_records
from jaxattack.audit.victim import input_ranges
from jaxattack.data import fingerprint
from jaxattack.data.designs import Halves
from jaxattack.metrics.comparison import corrected
from jaxattack.training.generators.gan import CRITIC_STEPS
from jaxattack.training.generators.learn import Prior
from jaxattack.training.generators.many import Generators, train_generators
from jaxattack.training.generators.prior import LEAST, unit
from jaxattack.types import Dataset, InputError, Progress, at_least, check_arguments, config, within_memory

_DEFAULT = Prior(kind="vae", steps=2000)


@config
class GeneratorAudit:
    """Generators of one kind, and what is tried on them.

    Attributes:
        dataset: the records.
        prior: which generators, and how they are trained.
        attacks: on them; those that cannot work with this kind are left out, and named.
        targets: generators that are attacked.
        references: generators of the attacker's own, by which attacks are calibrated.
        set_size: of the sets of the set attack.
        records: use this many of the records, chosen at random; all by default.
        seed: decides everything random.

    Raises:
        InputError: a value out of range, or too few records to train on.
    """

    dataset: Dataset
    prior: Prior = _DEFAULT
    attacks: tuple[GeneratorAttack, ...] = DEFAULTS
    targets: int = 4
    references: int = 2
    set_size: int = 20
    records: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(2, targets=self.targets)
        at_least(0, references=self.references, seed=self.seed)
        at_least(1, set_size=self.set_size)
        if not self.attacks:
            raise InputError("attacks is empty: give at least one.")
        labelled(self.attacks, ATTACKS)
        least = 3 * LEAST
        if min(self.records or len(self.dataset), len(self.dataset)) < least:
            raise InputError(f"{self.dataset.name} has too few records for generators: give at least {least}.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The records of an audit, in the unit box, flat.

    Attributes:
        records: that are scored.
        pool: the attacker's own.
        member: who each target is trained on.
    """

    records: np.ndarray
    pool: np.ndarray
    member: Bool[np.ndarray, "target record"]

    def sets(self, references: int) -> np.ndarray:
        """What each target and then each reference is trained on."""
        return np.stack([*(self.records[row] for row in self.member), *[self.pool] * references])


@check_arguments("progress")
def audit_generators(*, progress: Progress | None = None, **fields: Any) -> GeneratorFindings:
    """Train generators and attack their members.

    Args:
        progress: called as work is done.
        fields: of `GeneratorAudit`.

    Raises:
        InputError: bad input, or no attack that works with this kind of generator.

    Example:
        >>> audit = ja.audit.audit_generators(
        ...     dataset=ja.load("iris"),
        ...     prior=ja.training.generators.Prior(kind="vae", latent=2, steps=5),
        ...     attacks=(ja.attacks.membership.generators.GanLeaks(calibrated=False, samples=50),),
        ...     targets=2,
        ...     references=0,
        ... )
        >>> audit.attacks[0].name
        'gan-leaks-full?samples=50'
    """
    audit = GeneratorAudit(**fields)
    begin = time.perf_counter()
    part = split(audit)
    generators = train_generators(audit.prior, part.sets(audit.references), audit.seed, progress)
    train_end = time.perf_counter()
    evidence = gather(audit, part, generators)
    findings = score_generators(
        evidence, part.member, attacks=audit.attacks, set_size=audit.set_size, seed=audit.seed,
        name=f"{audit.dataset.name} · {audit.targets} {audit.prior.kind}s", progress=progress,
    )  # fmt: skip
    models = audit.targets + audit.references
    steps = models * audit.prior.steps * (CRITIC_STEPS + 1 if audit.prior.kind == "gan" else 1)
    seconds = Seconds(
        train=train_end - begin, attack=time.perf_counter() - train_end, total=time.perf_counter() - begin
    )
    return replace(
        findings,
        generators=replace(findings.generators, steps=audit.prior.steps),
        cost=replace(findings.cost, models=models, gradient_steps=steps, seconds=seconds),
        config={
            "data": {"name": audit.dataset.name, "sha256": fingerprint(audit.dataset)},
            **vars(audit.prior),
            **{name: value for name, value in vars(audit).items() if name not in ("dataset", "prior", "attacks")},
            "attacks": [*labelled(audit.attacks, ATTACKS)],
        },
    )


def split(audit: GeneratorAudit) -> Part:
    """A third for the attacker, and half of the others for each target; up to two records are left over.

    Raises:
        InputError: more generators or samples than memory holds, or records that are no numbers.
    """
    dataset = choose_records(audit.dataset, audit.records, audit.seed)
    models, samples = audit.targets + audit.references, samples_of(audit)
    within_memory(models * len(dataset) * dataset.x[0].size, targets=audit.targets, references=audit.references)
    within_memory(models * samples * dataset.x[0].size, samples=samples)
    flat = unit(input_ranges(dataset.x), dataset.x)
    third = len(flat) // 3
    order = np.random.default_rng(np.random.SeedSequence(audit.seed, spawn_key=(0, 3))).permutation(len(flat))
    member = Halves()(models=audit.targets, records=2 * third, seed=audit.seed)
    return Part(records=flat[order[third : 3 * third]], pool=flat[order[:third]], member=member)


def gather(audit: GeneratorAudit, part: Part, generators: Generators) -> Evidence:
    """What the attacker is handed: as many samples of each as the attacks read at most."""
    latent, samples = generators.sample(max(samples_of(audit), len(part.pool)), audit.seed)
    both = GeneratorView(samples, latent, generators)
    return Evidence(
        records=part.records,
        shape=audit.dataset.shape,
        pool=part.pool,
        targets=both.take(slice(0, audit.targets)),
        references=both.take(slice(audit.targets, None)) if audit.references else None,
    )


def samples_of(audit: GeneratorAudit) -> int:
    """How many samples of a generator are read at most."""
    return max(attack.samples for attack in audit.attacks)


def score_generators(
    evidence: Evidence,
    member: Bool[np.ndarray, "target record"],
    *,
    attacks: Sequence[GeneratorAttack] = DEFAULTS,
    set_size: int = 20,
    seed: int = 0,
    name: str = "generators",
    progress: Progress | None = None,
) -> GeneratorFindings:
    """Attack generators that are there, or samples of them.

    Args:
        evidence: what the attacker has.
        member: the truth: the records that each target was trained on.
        attacks: on them; those that the evidence is not enough for are left out, and named.
        set_size: of the sets of the set attack.
        seed: decides everything random.
        name: of the report.
        progress: called as work is done.

    Raises:
        InputError: another number of targets or records, a target without members or without others, a value out of range, or no
            attack that the evidence is enough for.
    """
    begin = time.perf_counter()
    at_least(0, seed=seed)
    at_least(1, set_size=set_size)
    _check_truth(evidence, member)
    usable, refusals = select_attacks(attacks, evidence)
    if not usable:
        raise InputError(f"no attack works: {refusals[0]}" if refusals else "attacks is empty: give at least one.")
    rows, notes = [], refusals
    for label, attack in labelled(usable, ATTACKS).items():
        try:
            rows.append(judge(label, attack, evidence, member, set_size, seed, corrected(len(usable)), progress))
        except InputError as refusal:
            notes.append(str(refusal))
    if not rows:
        raise InputError(f"no attack works: {notes[0]}")
    total = time.perf_counter() - begin
    return GeneratorFindings(
        title=name,
        generators=describe_generators(evidence, member),
        attacks=tuple(sorted(rows, key=lambda row: -row.auc)),
        notes=tuple(notes),
        cost=CostFindings(
            models=0,
            gradient_steps=0,
            samples=count_samples(evidence),
            seconds=Seconds(train=0.0, attack=total, total=total),
            memory_bytes=peak_memory(),
            device=device(),
        ),
        config={"attacks": [row.name for row in rows], "set_size": set_size, "seed": seed},
        environment=environment(),
    )


def _check_truth(evidence: Evidence, member: np.ndarray) -> None:
    """Refuse a truth by which nothing can be judged.

    Raises:
        InputError: another shape, what is not true or false, or a target without members or without others.
    """
    shape = len(evidence.targets.samples), len(evidence.records)
    if member.shape != shape or member.dtype != bool:
        raise InputError(
            f"member has dtype {member.dtype} and shape {member.shape}, and there are {shape[0]} targets and {shape[1]} records: "
            "give true or false for each target and record."
        )
    inside = member.sum(axis=1)
    if bad := np.flatnonzero((inside == 0) | (inside == shape[1])).tolist():
        raise InputError(
            f"member has {inside[bad[0]]} of {shape[1]} records in target {bad[0]}: give each some that it was trained on, and others."
        )

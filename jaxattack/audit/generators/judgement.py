"""What one attack on generators finds, and what the generators are, from evidence and who the members are."""

from __future__ import annotations

import math
import time
from typing import cast

import jax
import numpy as np

from jaxattack.attacks.membership.generators import Evidence, GeneratorAttack
from jaxattack.attacks.membership.generators.distances import nearest
from jaxattack.audit.entry import roc_findings
from jaxattack.audit.findings.generator import GeneratorAttackFindings, GeneratorsFindings
from jaxattack.audit.generators.summaries import precisions, set_attack, tied_share
from jaxattack.audit.session import settings
from jaxattack.metrics import Spread, summarise
from jaxattack.training.generators.many import Generators
from jaxattack.types import Progress


def judge(
    label: str,
    attack: GeneratorAttack,
    evidence: Evidence,
    member: np.ndarray,
    set_size: int,
    seed: int,
    confidence: float,
    progress: Progress | None,
) -> GeneratorAttackFindings:
    """One attack's part of the findings.

    Args:
        label: under which it is reported.
        attack: what is run.
        evidence: what the attacker has.
        member: the truth.
        set_size: of the set attack.
        seed: decides everything random.
        confidence: of the interval that allows for the number of attacks.
        progress: told of steps.
    """
    begin = time.perf_counter()
    result = attack(evidence, seed=seed, progress=progress)
    seconds = time.perf_counter() - begin
    summary = summarise(result.scores, member)
    precision = precisions(result.scores, member)
    available = evidence.targets.samples.shape[1]
    return GeneratorAttackFindings(
        **vars(roc_findings(summary)),
        name=label,
        paper=attack.paper,
        sees=attack.sees,
        settings=settings(attack),
        auc_interval_corrected=summary.auc_estimate.interval(confidence),
        target_auc=summary.target_auc,
        precision=Spread(
            mean=float(precision.mean()), sd=float(precision.std(ddof=1)) if len(precision) > 1 else math.nan
        ),
        tied=tied_share(result.scores),
        sets=set_attack(result.scores, member, set_size, seed),
        samples=min(attack.samples, available),
        references=len(evidence.references.samples) if attack.references and evidence.references else 0,
        queries=result.queries,
        gradient_steps=result.gradient_steps,
        seconds=seconds,
    )


def describe_generators(evidence: Evidence, member: np.ndarray) -> GeneratorsFindings:
    """What the targets are: their kind and size, what they learnt from, and how far records are from their samples.

    Args:
        evidence: what the attacker has; without generators, samples alone, kind is "samples" and sizes are None.
        member: bool["target record"], the truth.
    """
    generators, references = evidence.targets.generators, evidence.references
    nets = None if generators is None else generators.networks
    return GeneratorsFindings(
        kind="samples" if nets is None else nets.kind,
        targets=len(member),
        references=0 if references is None else len(references.samples),
        latent=None if nets is None else nets.latent,
        steps=None,
        parameters=None if generators is None else _parameters(cast(Generators, generators)),
        members=int(member.sum(axis=1).max()),
        records=member.shape[1],
        pool=len(evidence.pool),
        features=evidence.records.shape[1],
        distance=_distance(evidence, member),
    )


def _parameters(generators: Generators) -> int:
    leaves = jax.tree.leaves(generators.variables[0].params)
    return sum(leaf[0].size for leaf in leaves)


def _distance(evidence: Evidence, member: np.ndarray) -> float:
    """How much farther new records are from samples than from as many real ones."""
    count = min(len(evidence.pool), evidence.targets.samples.shape[1])
    if not count:
        return math.nan
    real = nearest(evidence.records, evidence.pool[:count]).distance
    ratios = [
        nearest(evidence.records[~own], samples[:count]).distance.mean() / max(real[~own].mean(), 1e-12)
        for own, samples in zip(member, evidence.targets.samples, strict=True)
    ]
    return float(np.mean(ratios))


def count_samples(evidence: Evidence) -> int:
    """Samples of all targets and references, which were drawn once for all attacks."""
    parts = [evidence.targets, *([evidence.references] if evidence.references else [])]
    return sum(part.samples.shape[0] * part.samples.shape[1] for part in parts)

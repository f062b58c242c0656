"""What an audit of generators finds: how well each attack tells their members.

The report's keys are these names. Rates and curves are as in `jaxattack.audit.findings.rates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxattack.audit.findings.rates import RocFindings
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.metrics import Spread


@dataclass(frozen=True, kw_only=True)
class SetFindings:
    """The set attack: of two sets of records, one of members and one of others, the one with the larger sum of scores is named.

    Attributes:
        size: of a set.
        pairs: of disjoint sets that were compared, of all targets.
        accuracy: the share of pairs that were told right; a tie counts half.
        interval: of the accuracy, 95% (Clopper-Pearson, ties beyond an even number against the attack), as if pairs of different
            targets were independent: targets that share out the records are not, and it says nothing of other generators.
    """

    size: int
    pairs: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class GeneratorAttackFindings(RocFindings):
    """One attack, all targets pooled.

    Attributes:
        name: in the registry.
        paper: that published it.
        sees: samples, latent (what a generator makes of chosen latent points) or weights.
        settings: its fields.
        auc_interval_corrected: of the AUC, so wide that those of all attacks hold together with 95% (Bonferroni).
        target_auc: over the targets, each alone.
        precision: over the targets, the share of members among as many of the highest scores as there are members; of equal
            scores, the share that chance would take.
        tied: the share of scores that share theirs with another record of the same target.
        sets: the set attack by its scores; None where the records do not make a pair of sets.
        samples: read of each generator.
        references: generators of the attacker's own that it compared with.
        queries: latent points that a target was asked about for one record, beside its samples.
        gradient_steps: of networks and of latent points, summed.
        seconds: that it took.
    """

    name: str
    paper: str
    sees: str
    settings: Mapping[str, Any]
    auc_interval_corrected: tuple[float, float]
    target_auc: Spread
    precision: Spread
    tied: float
    sets: SetFindings | None
    samples: int
    references: int
    queries: int
    gradient_steps: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class GeneratorsFindings:
    """The generators that were attacked.

    Attributes:
        kind: gan, vae or dae; "samples" where samples of others' generators were handed over.
        targets: how many.
        references: how many of the attacker's own.
        latent: numbers in a latent point; None where that is not known.
        steps: that each was trained for; None where others trained them.
        parameters: of a decoder; None where that is not known.
        members: records that each target was trained on.
        records: that were scored.
        pool: records that are the attacker's own.
        features: of a record.
        distance: the mean distance from a record that a target was not trained on to the nearest of its samples, over the same to
            the nearest record of the pool, as many of each as there are of the fewer; the mean over targets: near 1 for a
            generator as good as real records.
    """

    kind: str
    targets: int
    references: int
    latent: int | None
    steps: int | None
    parameters: int | None
    members: int
    records: int
    pool: int
    features: int
    distance: float


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where the time went.

    Attributes:
        train: training targets and references.
        attack: drawing samples, and all attacks.
        total: all of it.
    """

    train: float
    attack: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What it cost.

    Attributes:
        models: generators that were trained, targets and references.
        gradient_steps: that trained them.
        samples: drawn of all generators.
        seconds: where the time went.
        memory_bytes: at most.
        device: what computed.
    """

    models: int
    gradient_steps: int
    samples: int
    seconds: Seconds
    memory_bytes: int | None
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class GeneratorFindings(Reportable):
    """An audit of generators.

    Attributes:
        title: one line.
        generators: that were attacked.
        attacks: strongest first, by AUC.
        notes: which attacks were not run, and why, in sentences.
        cost: in samples, steps and seconds.
        config: plain values.
        environment: versions.
        format: of the file.
        kind: of audit.
    """

    title: str
    generators: GeneratorsFindings
    attacks: tuple[GeneratorAttackFindings, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    format: int = 1
    kind: str = "generator"

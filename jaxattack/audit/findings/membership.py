"""What a membership audit finds: how much each attack gets, how sure that is, and of which records.

The report's keys are these names. Rates are mappings from a false-positive rate, "0.1" to "0.00001", to a figure at it.
Intervals are at 95%, for new records and new models (`jaxattack.metrics.uncertainty`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxattack.audit.findings import optional
from jaxattack.audit.findings.membership_attack import (
    AttackFindings,
    CalibrationFindings,
    ClaimFindings,
    ComparisonFindings,
)
from jaxattack.audit.findings.rates import PooledFindings
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.metrics import Spread


@dataclass(frozen=True, kw_only=True)
class ModelFindings:
    """The models that were attacked.

    Attributes:
        count: how many.
        records: that were asked about.
        scored: those that every attack scored.
        classes: of the records.
        members: of a model, on average.
        train_accuracy: over models, on their members; None where that is not known.
        test_accuracy: on the records left out; None where that is not known.
        fewest_members: that a model has among the records that were scored.
        most_members: likewise.
        members_tell: true where the models differ so much in them that pooled figures tell members by their model
            (`jaxattack.audit.learning`).
    """

    count: int
    records: int
    scored: int
    classes: int
    members: float
    train_accuracy: Spread | None
    test_accuracy: Spread | None
    fewest_members: int | None = optional()
    most_members: int | None = optional()
    members_tell: bool | None = optional()


@dataclass(frozen=True, kw_only=True)
class RecordFindings:
    """One record.

    Attributes:
        record: its number in the data.
        id: what it is called where it comes from; None where records are numbered alone.
        label: its class, by name where it has one.
        vulnerability: the AUC of its own phi over the models; NaN where all or none have it.
        beyond_chance: whether that is more than chance explains (false discovery rate 5% over all records).
        detected: the share of models with it that the attack calls so, at the attack's threshold of 1% false positives; None
            without such models.
        falsely: the share of models without it that the attack calls models with it; None without such models.
    """

    record: int
    label: int | str
    vulnerability: float
    beyond_chance: bool
    detected: float | None
    falsely: float | None
    id: str | None = optional()


@dataclass(frozen=True, kw_only=True)
class VulnerableFindings:
    """The most vulnerable records.

    Attributes:
        attack: the claimed one, which detects them.
        records: worst first.
    """

    attack: str
    records: tuple[RecordFindings, ...]


@dataclass(frozen=True, kw_only=True)
class VulnerabilityFindings:
    """All records by the AUC of their own phi over the models.

    Attributes:
        edges: of bins from 0 to 1.
        count: records in each.
        stability: the rank correlation between two halves of the models; NaN where it has none.
        beyond_chance: how many records are exposed beyond chance.
    """

    edges: tuple[float, ...]
    count: tuple[int, ...]
    stability: float
    beyond_chance: int


@dataclass(frozen=True, kw_only=True)
class CopiesPoint:
    """What an attack finds under so much poison.

    Attributes:
        copies: with a wrong label, of each poisoned record.
        targets: what it finds of the poisoned records.
        others: of all others.
    """

    copies: int
    targets: PooledFindings
    others: PooledFindings


@dataclass(frozen=True, kw_only=True)
class PoisonFindings:
    """What poison does; all else in the findings is of the run with the most.

    Attributes:
        attack: whose curve it is.
        targets: how many records are poisoned.
        records: their numbers in the data.
        curve: by the number of copies, ascending from 0.
    """

    attack: str
    targets: int
    records: tuple[int, ...]
    curve: tuple[CopiesPoint, ...]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Time by phase; of training, over all processes, and left out where nothing was trained.

    Attributes:
        compile: compiling what trains.
        train: training the models.
        observe: asking them.
        score: attacking.
        total: of this process, without figures.
    """

    compile: float | None = optional()
    train: float | None = optional()
    observe: float | None = optional()
    score: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What it cost.

    Attributes:
        models: that were attacked.
        gradient_steps: of all of them; 0 where nothing was trained.
        queries: answers that were read.
        seconds: by phase.
        memory_bytes: the most that the process held at once.
        device: in words.
    """

    models: int
    gradient_steps: int
    queries: int
    seconds: Seconds
    memory_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True)
class EvaluationFindings:
    """What attacks find of observations.

    Attributes:
        attacks: strongest first, by the true-positive rate at the claim's rate, then by AUC.
        claim: what the headline speaks of.
        comparison: of the claimed attack with the loss threshold; None where it is that, or one was not run.
        calibration: what a threshold of each record's own finds.
        models: that were attacked.
        vulnerable: the most vulnerable records.
        vulnerability: of all records.
        notes: how the input was read and what was left out, in sentences.
    """

    attacks: tuple[AttackFindings, ...]
    claim: ClaimFindings
    comparison: ComparisonFindings | None
    calibration: CalibrationFindings
    models: ModelFindings
    vulnerable: VulnerableFindings
    vulnerability: VulnerabilityFindings
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class MembershipFindings(Reportable, EvaluationFindings):
    """All that a membership audit found.

    Attributes:
        title: one line.
        cost: what all of it cost.
        config: what was asked for.
        environment: versions.
        poison: what poison does; None where there is none.
        format: of the findings.
        kind: of audit.
    """

    title: str
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    poison: PoisonFindings | None = optional()
    format: int = 1
    kind: Literal["membership"] = "membership"

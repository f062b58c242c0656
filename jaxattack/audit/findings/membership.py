"""What a membership audit finds: how much each attack gets, how sure that is, and of which records.

The report's keys are these names. Rates are mappings from a false-positive rate, "0.1" to "0.00001", to a figure at it.
Intervals are at 95%, for new records and new models (`jaxattack.metrics.uncertainty`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxattack.audit.findings import optional
from jaxattack.audit.findings.shown import Shown
from jaxattack.metrics import OwnRates, Spread


@dataclass(frozen=True, kw_only=True)
class RateFindings:
    """What one threshold for all targets finds.

    Attributes:
        auc: the area under the pooled curve.
        tpr: the true-positive rate, by false-positive rate.
        tpr_interval: its interval.
    """

    auc: float
    tpr: Mapping[str, float]
    tpr_interval: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class PooledFindings(RateFindings):
    """The same of some of the models, of the views or of the records.

    Attributes:
        targets: how many models were attacked.
    """

    targets: int


@dataclass(frozen=True, kw_only=True)
class ModelsPoint(PooledFindings):
    """An attack among fewer models, pooled over disjoint groups of them; or among all.

    Attributes:
        models: in a group, the target among them.
    """

    models: int


@dataclass(frozen=True, kw_only=True)
class QueriesPoint(PooledFindings):
    """An attack with some of the views that were asked about.

    Attributes:
        queries: how many views.
    """

    queries: int


@dataclass(frozen=True, kw_only=True)
class CurveFindings:
    """A receiver operating characteristic, in counts.

    Attributes:
        false_positives: at each point, ascending.
        true_positives: at each point.
        negatives: of all.
        positives: of all.
    """

    false_positives: tuple[int, ...]
    true_positives: tuple[int, ...]
    negatives: int
    positives: int


@dataclass(frozen=True, kw_only=True)
class BandFindings:
    """The interval of the pooled curve at a few rates.

    Attributes:
        fpr: false-positive rates, ascending.
        low: of the true-positive rate at each.
        high: of the true-positive rate at each.
    """

    fpr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class HistogramFindings:
    """Counts of scores.

    Attributes:
        edges: of the bins; scores beyond them are counted in the first and the last.
        member: of members, a bin each.
        non_member: of non-members.
    """

    edges: tuple[float, ...]
    member: tuple[int, ...]
    non_member: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TargetFindings:
    """Each target alone, over the targets.

    Attributes:
        auc: of each.
        balanced_accuracy: of each, cross-fitted.
        tpr: of each, by false-positive rate.
    """

    auc: Spread
    balanced_accuracy: Spread
    tpr: Mapping[str, Spread]


@dataclass(frozen=True, kw_only=True)
class TransferFindings:
    """What a threshold does that was set on the other targets.

    Attributes:
        fpr: the false-positive rate that it has.
        tpr: the true-positive rate.
    """

    fpr: Spread
    tpr: Spread


@dataclass(frozen=True, kw_only=True)
class AttackFindings(RateFindings):
    """One attack, all targets pooled.

    Attributes:
        name: as `jaxattack.attacks.naming.label` has it.
        family: of attacks that differ in details alone.
        description: what it is, and its fields.
        references: whether it reads other models.
        records: how many it scored.
        auc_interval: of the AUC.
        balanced_accuracy: cross-fitted over halves of the records.
        advantage: twice that less 1.
        tpr_interval_corrected: as tpr_interval, widened for the choice among the attacks (Bonferroni); not for a declared one.
        false_positives: how many non-members were accused, by false-positive rate.
        resolvable: whether the rate allows one false positive at all.
        tied: the share of scores equal to the largest.
        per_target: each target alone.
        per_record: whose false positives those at the pooled threshold are, by false-positive rate.
        transferred: thresholds set on the other targets, by the false-positive rate that they have there.
        ppv: the precision, by the share of members among all and then by false-positive rate.
        roc: the curve.
        band: its interval.
        histogram: of the scores.
        by_models: the same attack among fewer models and among all; empty without references.
        by_queries: the same attack with fewer of the views that were asked about, down to the record alone; empty for attacks
            that read one view, and where one was asked about.
        seconds: that it took.
        summary: what it is, in a sentence.
        paper: that published it.
        settings: its fields.
    """

    name: str
    family: str
    description: str
    references: bool
    records: int
    auc_interval: tuple[float, float]
    balanced_accuracy: float
    advantage: float
    tpr_interval_corrected: Mapping[str, tuple[float, float]]
    false_positives: Mapping[str, int]
    resolvable: Mapping[str, bool]
    tied: float
    per_target: TargetFindings = field(repr=False)
    per_record: Mapping[str, OwnRates] = field(repr=False)
    transferred: Mapping[str, TransferFindings] = field(repr=False)
    ppv: Mapping[str, Mapping[str, float]] = field(repr=False)
    roc: CurveFindings = field(repr=False)
    band: BandFindings = field(repr=False)
    histogram: HistogramFindings = field(repr=False)
    by_models: tuple[ModelsPoint, ...] = field(repr=False)
    by_queries: tuple[QueriesPoint, ...] = field(repr=False)
    seconds: float
    summary: str | None = optional()
    paper: str | None = optional()
    settings: Mapping[str, Any] | None = optional()


@dataclass(frozen=True, kw_only=True)
class ClaimFindings:
    """What the headline speaks of.

    Attributes:
        attack: its name.
        rate: "0.001" where that allows ten false positives, else the lowest rate that does; None where none does.
        choices: from how many attacks the one was chosen, 1 where it was declared beforehand.
        declared: whether it was.
    """

    attack: str
    rate: str | None
    choices: int
    declared: bool


@dataclass(frozen=True, kw_only=True)
class DifferenceFindings:
    """What one attack finds more than another.

    Attributes:
        difference: of the two figures.
        interval: of the difference, which allows for the choice as `AttackFindings.tpr_interval_corrected` does.
        better: whether the interval lies above 0.
    """

    difference: float
    interval: tuple[float, float]
    better: bool


@dataclass(frozen=True, kw_only=True)
class ComparisonFindings:
    """What the claimed attack finds more than the loss threshold, paired on records and models.

    Attributes:
        attack: the claimed one.
        baseline: the other.
        tpr: by false-positive rate.
        auc: of the AUC.
    """

    attack: str
    baseline: str
    tpr: Mapping[str, DifferenceFindings]
    auc: DifferenceFindings


@dataclass(frozen=True, kw_only=True)
class CalibrationFindings:
    """What a threshold of each record's own on phi finds, which holds the false-positive rate for every record.

    `jaxattack.metrics.calibration` does it.

    Attributes:
        tpr: by false-positive rate; None where the models do not resolve the rate.
        tpr_interval: likewise.
        auc: of the calibrated scores.
        auc_interval: of the AUC.
        roc: the curve.
    """

    tpr: Mapping[str, float | None]
    tpr_interval: Mapping[str, tuple[float, float] | None]
    auc: float
    auc_interval: tuple[float, float]
    roc: CurveFindings


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
    """

    count: int
    records: int
    scored: int
    classes: int
    members: float
    train_accuracy: Spread | None
    test_accuracy: Spread | None


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
class MembershipFindings(Shown, EvaluationFindings):
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

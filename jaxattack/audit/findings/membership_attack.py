"""What a membership audit finds of one attack, of all of them alike, and of the strongest beside a baseline.

Rates are as in `jaxattack.audit.findings.rates`; intervals are for new records and new models
(`jaxattack.metrics.uncertainty`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxattack.audit.findings import optional
from jaxattack.audit.findings.rates import CurveFindings, PooledFindings, RocFindings
from jaxattack.metrics import OwnRates, Spread


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
class PartFindings(PooledFindings):
    """An attack on some of the records.

    Attributes:
        records: how many.
        auc_interval: of the AUC.
    """

    records: int
    auc_interval: tuple[float, float]


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
class AttackFindings(RocFindings):
    """One attack, all targets pooled.

    Attributes:
        name: as `jaxattack.attacks.naming.label` has it.
        family: of attacks that differ in details alone.
        description: what it is, and its fields.
        references: whether it reads other models.
        records: how many it scored.
        balanced_accuracy: cross-fitted over halves of the records.
        advantage: twice that less 1.
        tpr_interval_corrected: as tpr_interval, widened for the choice among the attacks (Bonferroni); not for a declared one.
        tied: the share of scores equal to the largest.
        per_target: each target alone.
        per_record: whose false positives those at the pooled threshold are, by false-positive rate.
        transferred: thresholds set on the other targets, by the false-positive rate that they have there.
        ppv: the precision, by the share of members among all and then by false-positive rate.
        histogram: of the scores.
        by_models: the same attack among fewer models and among all; empty without references.
        by_queries: the same attack with fewer of the views that were asked about, down to the record alone; empty for attacks
            that read one view, and where one was asked about.
        seconds: that it took.
        summary: what it is, in a sentence.
        paper: that published it.
        settings: its fields.
        auc_interval_corrected: as auc_interval, widened as tpr_interval_corrected is.
        by_label: "labelled" and "unlabelled": what it finds of records whose labels the models learn and of the others; None where
            they learn all.
    """

    name: str
    family: str
    description: str
    references: bool
    records: int
    balanced_accuracy: float
    advantage: float
    tpr_interval_corrected: Mapping[str, tuple[float, float]]
    tied: float
    per_target: TargetFindings = field(repr=False)
    per_record: Mapping[str, OwnRates] = field(repr=False)
    transferred: Mapping[str, TransferFindings] = field(repr=False)
    ppv: Mapping[str, Mapping[str, float]] = field(repr=False)
    histogram: HistogramFindings = field(repr=False)
    by_models: tuple[ModelsPoint, ...] = field(repr=False)
    by_queries: tuple[QueriesPoint, ...] = field(repr=False)
    seconds: float
    summary: str | None = optional()
    paper: str | None = optional()
    settings: Mapping[str, Any] | None = optional()
    auc_interval_corrected: tuple[float, float] | None = optional()
    by_label: Mapping[str, PartFindings] | None = optional()


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

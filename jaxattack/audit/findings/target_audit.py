"""What an audit of one target finds: what each record's score says of it, how that is calibrated, and how often it is right.

The report's keys are these names. Rates are mappings from a false-positive rate, "0.1" to "0.00001", to a figure at it.
Intervals are at 95% and for new records of this one target: another target, trained anew, may give away more or less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxattack.audit.findings import optional
from jaxattack.audit.findings.rates import RocFindings
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.findings.target import TargetFindings
from jaxattack.metrics import Spread


@dataclass(frozen=True, kw_only=True)
class TargetAttackFindings:
    """One attack.

    Attributes:
        name: as `jaxattack.attacks.naming.label` has it.
        family: of attacks that differ in details alone.
        description: what it is, and its fields.
        references: whether it reads other models.
        reference_auc: the area under the pooled curve where each reference plays the target.
        reference_tpr: the true-positive rate there, at the false-positive rate of the verdicts.
        known: what it gets of the target; None where no member is known, or none is not.
    """

    name: str
    family: str
    description: str
    references: bool
    reference_auc: float
    reference_tpr: float
    known: RocFindings | None


@dataclass(frozen=True, kw_only=True)
class ReferenceFindings:
    """The models that the target is compared with, and how like it they are.

    Attributes:
        models: how many.
        origin: "trained here", "given" or "the same file".
        what: their architecture, learner and defences in words; the name of their file.
        train_accuracy: over models, on their members; None where that is not known.
        test_accuracy: on the records left out.
        target_train_accuracy: of the target on its known members; None where there are none.
        target_test_accuracy: on its known non-members.
        target_accuracy: on all records.
        median_phi: of phi over all records, in nats, over the references; None where labels alone are answered.
        target_median_phi: of the target.
        alike: whether the target's may be one more of these; where it is not, target and references were not trained alike,
            and p-values by references do not hold. None where there is no phi.
    """

    models: int
    origin: str
    what: str
    train_accuracy: Spread | None
    test_accuracy: Spread | None
    target_train_accuracy: float | None
    target_test_accuracy: float | None
    target_accuracy: float | None
    median_phi: Spread | None
    target_median_phi: float | None
    alike: bool | None


@dataclass(frozen=True, kw_only=True)
class CalibrationFindings:
    """What stands behind the p-values.

    Attributes:
        name: "non-members", "references" or "record".
        assumes: in a sentence, what must be so for the p-values to hold.
        scores: of non-members, with which a score is compared; of "record" the fewest of one record.
        smallest: the smallest p-value that there can be; None where there is none.
        finest: the lowest false-positive rate that allows ten false positives among those scores; None below ten.
        realised_fpr: the share of the known non-members that it calls members, by nominal rate; empty where none is known.
        realised_tpr: of the known members.
    """

    name: str
    assumes: str
    scores: int
    smallest: float | None
    finest: float | None
    realised_fpr: Mapping[str, float]
    realised_tpr: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class VerdictFindings:
    """What is said of the records.

    Attributes:
        fpr: a record is called a member where its p-value is at most this.
        records: how many have a verdict.
        called: members.
        expected: called by chance at most: the rate times the records that are no members, or may be none.
        members: known to be members.
        non_members: known to be none.
        right: known members among those called.
        wrong: known non-members among those called.
        discoveries: called members where at most 5% of them may be so by chance (Benjamini and Hochberg 1995).
        wrong_discoveries: known non-members among those.
    """

    fpr: float
    records: int
    called: int
    expected: float
    members: int
    non_members: int
    right: int
    wrong: int
    discoveries: int
    wrong_discoveries: int


@dataclass(frozen=True, kw_only=True)
class PValueFindings:
    """How the p-values spread; uniform where nothing leaks.

    Attributes:
        edges: of bins from 0 to 1.
        member: counts of known members.
        non_member: of known non-members.
        unknown: of the others.
    """

    edges: tuple[float, ...]
    member: tuple[int, ...]
    non_member: tuple[int, ...]
    unknown: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class RecordFindings:
    """Every record that was scored, column by column, in the order of the data.

    Attributes:
        number: in the data, from 0.
        id: what it is called there; empty where records are numbered alone.
        label: its class, by name where it has one.
        score: of the attack; higher is more likely a member.
        p_value: of the score.
        verdict: "member", or "undecided": what is not shown to be a member may be one.
        member: 1 and 0 where that is known, else -1.
    """

    number: tuple[int, ...]
    id: tuple[str, ...]
    label: tuple[int | str, ...]
    score: tuple[float, ...]
    p_value: tuple[float, ...]
    verdict: tuple[str, ...]
    member: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class OtherFindings:
    """The same attack with references of another architecture, as a wrong guess would have it.

    Attributes:
        what: the architecture.
        reference_auc: among these references themselves.
        test_accuracy: of these references.
        auc: of the target; None where members are not known.
        auc_interval: likewise.
        tpr: at the false-positive rate of the verdicts.
        tpr_interval: likewise.
        called: how many records are called members.
        also_called: how many of them the first references call too.
        rank_correlation: Spearman's, of the scores with those by the first references.
        realised_fpr: the share of the known non-members that the verdicts call members.
    """

    what: str
    reference_auc: float
    test_accuracy: Spread | None
    auc: float | None
    auc_interval: tuple[float, float] | None
    tpr: float | None
    tpr_interval: tuple[float, float] | None
    called: int
    also_called: int
    rank_correlation: float
    realised_fpr: float | None


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Time by phase.

    Attributes:
        victim: waiting for the target's answers; left out where it was not asked.
        train: training references, all processes and those of other architectures included; left out where none was trained.
        score: attacking.
        total: of this process, without figures.
    """

    victim: float | None = optional()
    train: float | None = optional()
    score: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What it cost.

    Attributes:
        queries: that the target answered, those that were paid for earlier too.
        kept: how many of them an earlier start had paid for.
        price: of the queries, in dollars.
        models: references that were trained, all architectures together.
        gradient_steps: of all of them.
        seconds: by phase.
        memory_bytes: the most that the process held at once.
        device: in words.
    """

    queries: int
    kept: int
    price: float
    models: int
    gradient_steps: int
    seconds: Seconds
    memory_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class TargetAuditFindings(Reportable):
    """All that an audit of one target found.

    Attributes:
        title: one line.
        target: what was asked, on which terms; None where its answers came in a file or in memory.
        attack: whose scores the records have.
        choices: among how many attacks it is the strongest on the references; 1 where it was declared. The target's own
            members have no part in the choice.
        references: the models that it is compared with.
        attacks: the strongest on the references first.
        verdicts: what is said of the records.
        calibration: what stands behind the p-values.
        calibrations: what every way of calibrating them would have, the one that was used among them.
        p_values: how they spread.
        others: the same with references of other architectures.
        records: every record.
        notes: how the input was read and what was left out, in sentences.
        cost: what all of it cost.
        config: what was asked for.
        environment: versions.
        format: of the findings.
        kind: of audit.
    """

    title: str
    target: TargetFindings | None
    attack: str
    choices: int
    references: ReferenceFindings
    attacks: tuple[TargetAttackFindings, ...]
    verdicts: VerdictFindings
    calibration: CalibrationFindings
    calibrations: tuple[CalibrationFindings, ...]
    p_values: PValueFindings
    others: tuple[OtherFindings, ...]
    records: RecordFindings
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    format: int = 1
    kind: Literal["target"] = "target"

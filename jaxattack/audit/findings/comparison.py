"""What a comparison of audits finds: the same attacks on each, how far apart they are, what differs in the settings, the cost.

The report's keys are these names. Every run but the first is compared with the first, and a difference is of the run less the
first. Rates are mappings from a false-positive rate, "0.1" to "0.00001", to a figure at it. Intervals are at 95%, for new
records and new models (`jaxattack.metrics.differences`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jaxattack.audit.findings.membership_attack import ClaimFindings
from jaxattack.audit.findings.rates import RocFindings
from jaxattack.audit.findings.reportable import Reportable


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A figure of a run less the same figure of the first.

    Attributes:
        difference: of the two.
        interval: of the difference, which allows for as many differences as `ComparisonFindings.allowance` says.
        clear: whether the interval leaves 0 out.
    """

    difference: float
    interval: tuple[float, float]
    clear: bool


@dataclass(frozen=True, kw_only=True)
class LeakContrast:
    """How much more an attack finds of a run than of the first.

    Attributes:
        auc: of the AUC.
        tpr: of the true-positive rate, by false-positive rate.
    """

    auc: Contrast
    tpr: Mapping[str, Contrast]


@dataclass(frozen=True, kw_only=True)
class ShareFindings:
    """A share with its interval.

    Attributes:
        value: 0 to 1.
        interval: of it.
    """

    value: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """What a run cost; None where that is not known, as of models that another framework trained.

    Attributes:
        models: that were attacked.
        gradient_steps: of all of them.
        queries: answers that were read.
        train: seconds of training them, compiling included, over all processes.
        observe: seconds of asking them.
        score: seconds of attacking: of this comparison for runs, of its own for a matrix.
        device: in words.
    """

    models: int
    gradient_steps: int | None
    queries: int | None
    train: float | None
    observe: float | None
    score: float | None
    device: str | None


@dataclass(frozen=True, kw_only=True)
class RunFindings:
    """One of the runs.

    Attributes:
        name: by which it is told from the others.
        title: its data, its model and how many there are.
        records: that were scored.
        train_accuracy: the share of answers on members that are right, all models together; None where that is not known.
        test_accuracy: on other records.
        strongest: the attack that finds the most of it.
        cost: what it cost.
    """

    name: str
    title: str
    records: int
    train_accuracy: ShareFindings | None
    test_accuracy: ShareFindings | None
    strongest: str
    cost: RunCost


@dataclass(frozen=True, kw_only=True)
class StrongestContrast(LeakContrast):
    """How much more the strongest attack on a run finds than the strongest attack on the first finds of that.

    Attributes:
        attack: the strongest on the run.
        than: the strongest on the first.
        allowance: for how many differences its intervals allow: every pair of an attack on either.
    """

    attack: str
    than: str
    allowance: int


@dataclass(frozen=True, kw_only=True)
class PairFindings:
    """A run beside the first.

    Attributes:
        run: its name.
        records: how many of its records are the first's too.
        models: how many of its models have the members of one of the first's, or exactly those that it lacks.
        basis: by what records are told to be the same, in words; empty where they are not.
        train_accuracy: how much higher it is.
        test_accuracy: how much higher it is.
        strongest: the strongest attack on each.
    """

    run: str
    records: int
    models: int
    basis: str
    train_accuracy: Contrast | None
    test_accuracy: Contrast | None
    strongest: StrongestContrast


@dataclass(frozen=True, kw_only=True)
class AttackComparison:
    """An attack on all runs.

    Attributes:
        name: as `jaxattack.attacks.naming.label` has it.
        family: of attacks that differ in details alone.
        runs: what it finds of each; None where it cannot be run.
        differences: from the first, of each other run; None where it cannot be run on both.
    """

    name: str
    family: str
    runs: tuple[RocFindings | None, ...]
    differences: tuple[LeakContrast | None, ...]


@dataclass(frozen=True, kw_only=True)
class ChangeFindings:
    """A setting in which the runs differ.

    Attributes:
        name: its place, joined by points.
        values: of each run; None where it has none.
    """

    name: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Time of the comparison.

    Attributes:
        score: attacking.
        total: of this process, without figures.
    """

    score: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What the comparison cost.

    Attributes:
        seconds: by phase.
        memory_bytes: the most that the process held at once.
        device: in words.
    """

    seconds: Seconds
    memory_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class ComparisonFindings(Reportable):
    """What every comparison has.

    Attributes:
        title: one line.
        allowance: for how many differences each interval allows (Bonferroni), those of accuracy and of the strongest attacks
            apart.
        changes: the settings in which the runs differ.
        notes: what was left out, in sentences.
        cost: of the comparison itself.
        config: what was compared.
        environment: versions.
        format: of the findings.
        kind: of report.
    """

    title: str
    allowance: int
    changes: tuple[ChangeFindings, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    format: int = 1
    kind: Literal["compare"] = "compare"


@dataclass(frozen=True, kw_only=True, repr=False)
class RunComparison(ComparisonFindings):
    """Membership runs side by side.

    Attributes:
        runs: the first is what the others are compared with.
        pairs: each other run beside the first.
        attacks: that were run on the first, the strongest on it first; then the others.
        claim: what the headline speaks of.
        subject: of the comparison.
    """

    runs: tuple[RunFindings, ...]
    pairs: tuple[PairFindings, ...]
    attacks: tuple[AttackComparison, ...]
    claim: ClaimFindings
    subject: Literal["membership"] = "membership"

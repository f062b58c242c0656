"""What an extraction audit finds: the stolen model, how alike it is, and what it cost. The report's keys are these names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.findings.target import TargetFindings, VerificationFindings


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Total variation between confidences, over records.

    Attributes:
        mean: 0 to 1.
        max: the largest.
    """

    mean: float | None
    max: float | None


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Shares of records whose true label is answered.

    Attributes:
        victim: by the victim.
        stolen: by the stolen model.
    """

    victim: float | None
    stolen: float | None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Both models asked the same records, as `jaxattack.metrics.fidelity` measures it.

    Attributes:
        records: how many.
        agreement: share of them on which the labels agree.
        interval: its 95% Clopper-Pearson interval.
        total_variation: between confidences; None where either withholds them.
        difference: largest |f - f'| between outputs; None where either withholds them.
        accuracy: against the true labels; None where these are not known.
    """

    records: int
    agreement: float
    interval: tuple[float, float]
    total_variation: Spread | None
    difference: float | None
    accuracy: Accuracy | None


@dataclass(frozen=True, kw_only=True)
class FidelityFindings:
    """How alike the two are, by the records that they were asked.

    Attributes:
        held_out: records that the victim was not trained on; None without such.
        uniform: drawn from what the service takes; None where nothing was left to ask them with.
    """

    held_out: Agreement | None
    uniform: Agreement | None


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """Agreement with what had been stolen after so many queries.

    Attributes:
        queries: asked until then.
        held_out: share of the records held out on which labels agreed; None without such.
        uniform: of the inputs drawn; None without such.
    """

    queries: int
    held_out: float | None
    uniform: float | None


@dataclass(frozen=True, kw_only=True)
class ParameterPart:
    """One array of parameters, thinned evenly.

    Attributes:
        name: of the array.
        true: the victim's values.
        stolen: the stolen ones, in the same order.
    """

    name: str
    true: list[float]
    stolen: list[float]


@dataclass(frozen=True, kw_only=True)
class ParameterFindings:
    """Parameters, lined up with the victim's.

    Attributes:
        unknowns: how many.
        max: the largest |theta - theta'|.
        rms: the root of the mean square of theta - theta'.
        parts: values for a scatter plot.
    """

    unknowns: int
    max: float
    rms: float
    parts: tuple[ParameterPart, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightPictures:
    """A linear victim's weights by class, where its records are pictures.

    Attributes:
        shape: height and width.
        true: the victim's.
        stolen: the stolen ones.
    """

    shape: tuple[int, int]
    true: Float[np.ndarray, "cls feature"]
    stolen: Float[np.ndarray, "cls feature"]


@dataclass(frozen=True, kw_only=True)
class ErrorHistogram:
    """Queries by the decimal logarithm of their error.

    Attributes:
        of: which error, as "total variation".
        edges: of the bins.
        count: queries in each.
        exact: queries without an error.
    """

    of: str
    edges: list[float]
    count: list[int]
    exact: int


@dataclass(frozen=True, kw_only=True)
class TreeNode:
    """A node of a stolen tree, as it is drawn.

    Attributes:
        x: its place from left to right, leaves at whole numbers.
        depth: below the root.
        parent: number of its parent; None for the root.
        words: its rule, or its outcome.
        leaf: whether it is one.
    """

    x: float
    depth: int
    parent: int | None
    words: str
    leaf: bool


@dataclass(frozen=True, kw_only=True)
class TreeFindings:
    """A stolen tree.

    Attributes:
        text: all of it.
        nodes: empty where they do not fit on a page.
    """

    text: str
    nodes: tuple[TreeNode, ...]


@dataclass(frozen=True, kw_only=True)
class ComparisonFindings:
    """A stolen model beside its victim.

    Attributes:
        fidelity: on records asked of both.
        curve: agreement by queries; the last point is the stolen model itself.
        parameters: None where the truth is unknown or cannot be lined up.
        weights: None where records are no pictures, or the victim is not linear.
        errors: None where numbers cannot be compared.
        tree: None where none was stolen.
    """

    fidelity: FidelityFindings
    curve: tuple[CurvePoint, ...]
    parameters: ParameterFindings | None
    weights: WeightPictures | None
    errors: ErrorHistogram | None
    tree: TreeFindings | None


@dataclass(frozen=True, kw_only=True)
class AttackFindings:
    """What an extraction attack did.

    Attributes:
        name: of the attack.
        settings: its fields.
        converged: whether its own procedure came to its end.
        exact: whether the victim's numbers are to come out; else a substitute learns as many answers as it gets.
        complete: whether it did, and the stolen model then disagreed with the victim on no fresh input.
        reason: why it is not complete, in one sentence; empty where it is.
        verification: on fresh inputs.
        notes: what else it found, by name.
    """

    name: str
    settings: Mapping[str, Any]
    converged: bool
    exact: bool
    complete: bool
    reason: str
    verification: VerificationFindings
    notes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where an extraction's time went.

    Attributes:
        victim: waiting for its answers.
        attack: the attack's own work.
        total: with comparing.
    """

    victim: float
    attack: float
    total: float


@dataclass(frozen=True, kw_only=True)
class CostFindings:
    """What an extraction cost.

    Attributes:
        queries: all that were asked; the next three are its parts.
        attack: by the attack.
        verification: to verify the stolen model.
        comparison: to compare it; None where the victim is at hand and that costs nothing.
        calls: batches sent.
        bytes: of queries and answers.
        price: in dollars.
        kept: queries that an earlier start had paid for.
        unknowns: parameters that were stolen; None where there are none.
        seconds: by phase.
        memory_bytes: the most that the process held at once.
        device: in words.
    """

    queries: int
    attack: int
    verification: int
    comparison: int | None
    calls: int
    bytes: int
    price: float
    kept: int
    unknowns: int | None
    seconds: Seconds
    memory_bytes: int
    device: str


@dataclass(frozen=True, kw_only=True)
class WatchPoint:
    """A test of the distances between questions.

    Attributes:
        question: after so many.
        statistic: W of Shapiro and Wilk.
    """

    question: int
    statistic: float


@dataclass(frozen=True, kw_only=True)
class WatchFindings:
    """What an owner who watches the questions would have seen of the attack, as `jaxattack.oracle.PRADA` has it.

    Attributes:
        detector: its name.
        delta: an alarm is raised where W is below.
        questions: of the attack and its verification.
        repeats: how many of them, up to the alarm, were at distance 0 from earlier ones.
        alarm: the number of the question at which it was raised; None where it was not.
        lowest: the lowest W; None where there were too few distances to test.
        curve: W by questions, thinned evenly; the last is that of the alarm, where there is one.
    """

    detector: str
    delta: float
    questions: int
    repeats: int
    alarm: int | None
    lowest: float | None
    curve: tuple[WatchPoint, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class ExtractionFindings(Reportable, ComparisonFindings):
    """All that an extraction audit found.

    Attributes:
        title: one line.
        victim: and its terms.
        attack: what it did.
        warnings: what is odd about the victim's answers, in sentences.
        notes: how the victim and its data are understood, in sentences.
        cost: what all of it cost.
        watch: whether a watching owner would have noticed; None where nobody watched.
        config: what was asked for.
        environment: versions.
        format: of the findings.
        kind: of audit.
    """

    title: str
    victim: TargetFindings
    attack: AttackFindings
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    watch: WatchFindings | None
    config: Mapping[str, Any]
    environment: Mapping[str, str]
    format: int = 1
    kind: Literal["extraction"] = "extraction"

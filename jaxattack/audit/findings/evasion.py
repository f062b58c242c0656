"""What an evasion audit finds: whether examples fool the victim, how far they are, and what that cost.

The report's keys are these names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxattack.audit.findings.cost import QueryCost
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.findings.target import StolenFindings, TargetFindings


@dataclass(frozen=True, kw_only=True)
class AttackFindings:
    """The attack.

    Attributes:
        name: in the registry.
        settings: its fields.
        white_box: whether it had the victim's weights.
        converged: whether it came to its end.
        complete: whether it came to its end and fooled the victim about some record that it labels right.
        reason: why not, in a sentence; empty when complete.
        stolen: the model that was stolen first and on which examples were made; None where none was.
        notes: what else it found, name -> number or text.
    """

    name: str
    settings: Mapping[str, Any]
    white_box: bool
    converged: bool
    complete: bool
    reason: str
    stolen: StolenFindings | None
    notes: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SuccessFindings:
    """How many records fool the victim.

    Attributes:
        records: that were attacked.
        right: of them, those that the victim labels right.
        fooled: of those, whose example it labels otherwise.
        among_right: fooled / right; None where none is right.
        interval: its 95% Clopper-Pearson interval; None where none is right.
        among_all: the share of all records that it gets wrong after the attack.
    """

    records: int
    right: int
    fooled: int
    among_right: float | None
    interval: tuple[float, float] | None
    among_all: float


@dataclass(frozen=True, kw_only=True)
class Quartiles:
    """Of the records that were right and are fooled.

    Attributes:
        lower: a quarter is below.
        median: half is below.
        upper: three quarters are below.
    """

    lower: float
    median: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class DistanceFindings:
    """How far the examples that fool the victim are from their records, in shares of each feature's range.

    Attributes:
        l0: features that differ.
        l1: the sum of the changes.
        l2: the root of the sum of their squares.
        linf: the largest.
    """

    l0: Quartiles
    l1: Quartiles
    l2: Quartiles
    linf: Quartiles


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The share of the records labelled right that are fooled within a distance.

    Attributes:
        distance: from 0, increasing.
        share: 0 to 1, of the same length.
    """

    distance: tuple[float, ...]
    share: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class CurveFindings:
    """Success against distance.

    Attributes:
        l2: in the 2-norm.
        linf: in the max norm.
    """

    l2: Curve
    linf: Curve


@dataclass(frozen=True, kw_only=True)
class QuestionFindings:
    """Success against questions: the share of the records labelled right that are fooled once so many were asked about each.

    Attributes:
        questions: about a record, the one about itself among them; from 0, increasing.
        share: 0 to 1, of the same length.
        median: questions until half of the records that are fooled were; None where none is.
        most: asked about a record.
    """

    questions: tuple[int, ...]
    share: tuple[float, ...]
    median: float | None
    most: int


@dataclass(frozen=True, kw_only=True)
class RecordFindings:
    """One record.

    Attributes:
        record: its place among those that were attacked.
        label: its true class.
        right: whether the victim labels it right.
        success: whether the victim labels the example wrong.
        answer: what it labels the example; None where asking would cost.
        l0: as the next three, the distance of the example.
        l1: as `DistanceFindings`.
        l2: as `DistanceFindings`.
        linf: as `DistanceFindings`.
        questions: asked of the victim about it.
        first: of them, those until the first example that fooled it; all where none did.
    """

    record: int
    label: int
    right: bool
    success: bool
    answer: int | None
    l0: int
    l1: float
    l2: float
    linf: float
    questions: int
    first: int


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """One record that was fooled, by the numbers of its pictures.

    Attributes:
        label: its class.
        answer: what the victim labels the example; None where asking would cost.
        record: its picture.
        example: its example's.
        change: from one to the other, grey where nothing changed.
    """

    label: int
    answer: int | None
    record: int
    example: int
    change: int


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Where the time went.

    Attributes:
        attack: the evasion.
        total: all of it.
        extraction: stealing the model first; None where none was stolen.
    """

    attack: float
    total: float
    extraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class CostFindings(QueryCost):
    """What it cost.

    Attributes:
        questions: of the queries, those about the records.
        gradients: of a model at one record each.
        seconds: where the time went.
        memory_bytes: at most.
        device: what computed.
    """

    questions: int
    gradients: int
    seconds: Seconds
    memory_bytes: int | None
    device: str


@dataclass(frozen=True, kw_only=True, repr=False)
class EvasionFindings(Reportable):
    """An evasion audit.

    Attributes:
        title: one line.
        victim: and its terms.
        attack: and how it ended.
        success: among the records that were right and among all.
        distance: of the examples that fool it; None where none does.
        curve: success against distance; None where no record was right.
        questions: success against questions; None where no record was right, or nothing was asked.
        records: each of them.
        gallery: the first that were fooled, by the numbers of their pictures; empty where records are no pictures.
        warnings: what is odd about the victim's answers, in sentences.
        notes: how the victim and its data are understood, in sentences.
        cost: in queries, gradients, seconds and dollars.
        config: plain values.
        environment: versions.
        format: of the file.
        kind: of audit.
    """

    title: str
    victim: TargetFindings
    attack: AttackFindings
    success: SuccessFindings
    distance: DistanceFindings | None
    curve: CurveFindings | None
    questions: QuestionFindings | None
    records: tuple[RecordFindings, ...]
    gallery: tuple[GalleryEntry, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    cost: CostFindings
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    format: int = 1
    kind: str = "evasion"

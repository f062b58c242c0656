"""What a comparison of matrices finds: every cell that the first and another have, in each. As `jaxattack.audit.findings.comparison`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxattack.audit.findings.comparison import ComparisonFindings, Contrast, RunCost


@dataclass(frozen=True, kw_only=True)
class MatrixFindings:
    """One of the matrices.

    Attributes:
        name: by which it is told from the others.
        title: its data, its model and its columns.
        cost: what it cost.
    """

    name: str
    title: str
    cost: RunCost


@dataclass(frozen=True, kw_only=True)
class CellComparison:
    """A cell that the first matrix and another have.

    Attributes:
        defence: its column.
        attack: its row.
        family: of attacks.
        adaptive: whether the attacker knows of the defence.
        repetitions: answers to each question that are averaged.
        leaks: what the attack gets in each matrix; None where it was not measured.
        intervals: of each, for that cell alone.
        differences: from the first, of each other matrix; None where it was not measured in both.
    """

    defence: str
    attack: str
    family: str
    adaptive: bool
    repetitions: int
    leaks: tuple[float | None, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    differences: tuple[Contrast | None, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnComparison:
    """A column that the first matrix and another have.

    Attributes:
        name: of the defence.
        test_accuracy: in each matrix; None where it is not known.
    """

    name: str
    test_accuracy: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class MatrixComparison(ComparisonFindings):
    """Matrices side by side. Nothing is paired: a matrix keeps figures and no scores.

    Attributes:
        runs: the first is what the others are compared with.
        columns: that the first and another have.
        cells: likewise.
        subject: of the comparison.
    """

    runs: tuple[MatrixFindings, ...]
    columns: tuple[ColumnComparison, ...]
    cells: tuple[CellComparison, ...]
    subject: Literal["matrix"] = "matrix"

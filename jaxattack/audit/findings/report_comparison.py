"""What a comparison of reports of one other kind finds: the figures that matter most, and costs. As `jaxattack.audit.findings.comparison`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxattack.audit.findings.comparison import ComparisonFindings, Contrast


@dataclass(frozen=True, kw_only=True)
class ReportFindings:
    """One of the reports.

    Attributes:
        name: by which it is told from the others.
        title: its own.
    """

    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class FigureComparison:
    """A figure in every report.

    Attributes:
        name: what it is.
        values: in each report; None where it was not measured.
        intervals: of each, for that report alone; None where there is none.
        differences: from the first, of each other report; None where it was not measured in both.
        contrasts: the same with intervals; None where not both have one.
    """

    name: str
    values: tuple[float | None, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    differences: tuple[float | None, ...]
    contrasts: tuple[Contrast | None, ...]


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """A cost in every report.

    Attributes:
        name: its place in the report, joined by points.
        values: in each report, as text; None where it has none.
    """

    name: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class ReportComparison(ComparisonFindings):
    """Reports of one other kind side by side, by the figures that matter most. Nothing is paired.

    Attributes:
        of: the kind of all.
        runs: the first is what the others are compared with.
        figures: that matter most.
        costs: of each.
        subject: of the comparison.
    """

    of: str
    runs: tuple[ReportFindings, ...]
    figures: tuple[FigureComparison, ...]
    costs: tuple[CostRow, ...]
    subject: Literal["report"] = "report"

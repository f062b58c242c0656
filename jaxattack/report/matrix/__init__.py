"""The report of a matrix: its findings (`jaxattack.audit.findings.matrix`), heat maps, tables and words."""

from __future__ import annotations

from jaxattack.report.kind import Kind
from jaxattack.report.matrix.figures import FIGURES
from jaxattack.report.matrix.page import render
from jaxattack.report.matrix.reading import headline
from jaxattack.report.matrix.tables import comma_separated, table

MATRIX = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"cells.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

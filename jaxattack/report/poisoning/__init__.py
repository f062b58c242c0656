"""The report of a poisoning: its findings (`jaxattack.audit.findings.poisoning`), figures, tables and words."""

from __future__ import annotations

from jaxattack.report.kind import Kind
from jaxattack.report.poisoning.figures import FIGURES
from jaxattack.report.poisoning.page import render
from jaxattack.report.poisoning.reading import headline
from jaxattack.report.poisoning.tables import comma_separated, table

POISONING = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"points.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

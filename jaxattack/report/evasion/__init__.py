"""The report of an evasion: its findings (`jaxattack.audit.findings.evasion`), figures, tables and words."""

from __future__ import annotations

from jaxattack.report.evasion.figures import FIGURES
from jaxattack.report.evasion.page import render
from jaxattack.report.evasion.reading import headline
from jaxattack.report.evasion.tables import comma_separated, table
from jaxattack.report.kind import Kind

EVASION = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"records.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

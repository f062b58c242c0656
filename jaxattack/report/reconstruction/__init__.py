"""The report of a reconstruction: its findings (`jaxattack.audit.findings.reconstruction`), figures, tables and words."""

from __future__ import annotations

from jaxattack.report.kind import Kind
from jaxattack.report.reconstruction.figures import FIGURES
from jaxattack.report.reconstruction.page import render
from jaxattack.report.reconstruction.reading import headline
from jaxattack.report.reconstruction.tables import comma_separated, table

RECONSTRUCTION = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"targets.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

"""The report of an inference of architecture: its findings (`jaxattack.audit.findings.architecture`), figures, tables and words."""

from __future__ import annotations

from jaxattack.report.architecture.figures import FIGURES
from jaxattack.report.architecture.page import render
from jaxattack.report.architecture.reading import headline
from jaxattack.report.architecture.tables import comma_separated, table
from jaxattack.report.kind import Kind

ARCHITECTURE = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"attributes.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

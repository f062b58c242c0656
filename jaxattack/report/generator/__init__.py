"""The report of an audit of generators: its findings (`jaxattack.audit.findings.generator`), figures, tables and words."""

from __future__ import annotations

from jaxattack.report.generator.figures import FIGURES
from jaxattack.report.generator.page import render
from jaxattack.report.generator.reading import headline
from jaxattack.report.generator.tables import comma_separated, table
from jaxattack.report.kind import Kind

GENERATOR = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"attacks.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

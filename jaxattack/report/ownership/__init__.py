"""The report of an audit of ownership: its findings (`jaxattack.audit.findings.ownership`), figures, tables and words."""

from __future__ import annotations

from jaxattack.report.kind import Kind
from jaxattack.report.ownership.figures import FIGURES
from jaxattack.report.ownership.page import render
from jaxattack.report.ownership.reading import headline
from jaxattack.report.ownership.tables import comma_separated, suspects_comma_separated, table

OWNERSHIP = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {
        "cells.csv": comma_separated(findings),
        "suspects.csv": suspects_comma_separated(findings),
    },
    table=table,
    headline=headline,
)

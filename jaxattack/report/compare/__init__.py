"""The report of a comparison: findings (`jaxattack.audit.findings.comparison`), curves, differences, settings, cost and words."""

from __future__ import annotations

from jaxattack.report.compare.figures import FIGURES
from jaxattack.report.compare.page import render
from jaxattack.report.compare.reading import choose, headline
from jaxattack.report.compare.tables import files, table
from jaxattack.report.kind import Kind

COMPARE = Kind(
    figures=FIGURES,
    render=render,
    files=files,
    table=table,
    headline=headline,
    choose=choose,
)

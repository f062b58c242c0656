"""The report of a privacy audit: its findings, figure, tables and words.

Findings are `jaxattack.audit.findings.epsilon.EpsilonFindings`, whose docstrings document the keys. Phases and counts that
there are not are left out; an infinite epsilon, which bounds nothing, and a loss that is NaN are null.
"""

from __future__ import annotations

from jaxattack.report.epsilon.figures import FIGURES
from jaxattack.report.epsilon.page import render
from jaxattack.report.epsilon.reading import headline
from jaxattack.report.epsilon.tables import comma_separated, table
from jaxattack.report.kind import Kind

EPSILON = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"bounds.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

"""The report of a membership audit: its findings, figures, tables and words.

Findings are `jaxattack.audit.findings.membership.MembershipFindings`, whose docstrings document the keys. ``poison`` is left
out where there is none, and so is the time of training where nothing was trained; what is NaN there is null.
"""

from __future__ import annotations

from jaxattack.report.kind import Kind
from jaxattack.report.membership.figures import FIGURES
from jaxattack.report.membership.page import render
from jaxattack.report.membership.reading import choose, headline
from jaxattack.report.membership.tables import comma_separated, latex, table

MEMBERSHIP = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"attacks.csv": comma_separated(findings), "attacks.tex": latex(findings)},
    table=table,
    headline=headline,
    choose=choose,
)

"""The report of an audit of one target: its findings, figures, tables and words.

Findings are `jaxattack.audit.findings.target_audit.TargetAuditFindings`, whose docstrings document the keys. What holds of
records whose membership is known is null where none is.
"""

from __future__ import annotations

from jaxattack.report.kind import Kind
from jaxattack.report.target.figures import FIGURES
from jaxattack.report.target.page import render
from jaxattack.report.target.reading import headline
from jaxattack.report.target.tables import comma_separated, table

TARGET = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"records.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

"""The report of an inversion: its findings, figures, tables and words.

Findings are `jaxattack.audit.findings.inversion.InversionFindings`, whose docstrings document the keys; the numbers of
pictures in ``gallery`` are those of the pictures beside them. A target's ``name``, its likeness and the time of an extraction
are left out where there are none.
"""

from __future__ import annotations

from jaxattack.report.inversion.figures import FIGURES
from jaxattack.report.inversion.page import render
from jaxattack.report.inversion.reading import headline
from jaxattack.report.inversion.tables import comma_separated, table
from jaxattack.report.kind import Kind

INVERSION = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {"targets.csv": comma_separated(findings)},
    table=table,
    headline=headline,
)

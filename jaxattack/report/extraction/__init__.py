"""The report of an extraction: its findings, figures, tables and words.

Findings are `jaxattack.audit.findings.extraction.ExtractionFindings`, whose docstrings document the keys.
"""

from __future__ import annotations

from jaxattack.report.extraction.figures import FIGURES
from jaxattack.report.extraction.page import render
from jaxattack.report.extraction.reading import headline
from jaxattack.report.extraction.tables import comma_separated, table
from jaxattack.report.kind import Kind

EXTRACTION = Kind(
    figures=FIGURES,
    render=render,
    files=lambda findings: {
        "fidelity.csv": comma_separated(findings),
        **({"tree.txt": findings["tree"]["text"]} if findings["tree"] else {}),
    },
    table=table,
    headline=headline,
)

"""The page of a privacy audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.epsilon.reading import sentences, size
from jaxattack.report.epsilon.tables import tally
from jaxattack.report.html import fill, phases
from jaxattack.report.style import Drawing

_PHASES = {
    "compile": "compiling",
    "train": "training the models",
    "observe": "asking them about the canaries",
    "bounds": "the bounds",
    "total": "total, without this report's figure",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of a privacy audit.

    Args:
        findings: the values of `jaxattack.audit.findings.epsilon.EpsilonFindings`.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    return fill(
        "epsilon/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        size=size(findings),
        bounds=[(row, tally(row)) for row in findings["bounds"] if row["epsilon"] is not None],
        refused=[row for row in findings["bounds"] if row["epsilon"] is None],
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )

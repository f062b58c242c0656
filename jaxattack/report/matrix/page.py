"""The page of a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.html import fill, phases
from jaxattack.report.matrix.reading import attacks_of, cells_at, quoted_rate, sentences, word_of
from jaxattack.report.matrix.tables import rows
from jaxattack.report.style import Drawing

_PHASES = {
    "train": "training all columns, over all processes",
    "observe": "asking their models",
    "attack": "all cells",
    "total": "total of this call, without this report's figures",
}
_MEASURES = {"membership": "AUC", "extraction": "agreement", "inversion": "recognised"}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of a matrix.

    Args:
        findings: as `jaxattack.report.matrix` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    return fill(
        "matrix/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        key=quoted_rate(findings),
        rows=rows(findings),
        costs=_costs(findings),
        reasons=_reasons(findings),
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )


def _costs(findings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each attack costs and gets on the undefended column."""
    first = findings["columns"][0]["name"]
    return [
        dict(cell) | {"measure": _MEASURES[family]}
        for family in _MEASURES
        for attack in attacks_of(findings, family)
        for cell in cells_at(findings, first, attack)
    ]


def _reasons(findings: Mapping[str, Any]) -> dict[str, str]:
    """Why cells were not run: each reason, and of which cells."""
    where: dict[str, list[str]] = {}
    for cell in findings["cells"]:
        if cell["reason"]:
            where.setdefault(cell["reason"], []).append(f"{cell['attack']} on {cell['defence']} ({word_of(cell)})")
    return {reason: ", ".join(cells) for reason, cells in where.items()}

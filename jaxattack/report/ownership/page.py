"""The page of an audit of ownership."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.html import fill, phases
from jaxattack.report.ownership.reading import best, sentences, summaries
from jaxattack.report.style import Drawing

_PHASES = {
    "models": "training the owner's, thieves' and independent models",
    "evidence": "preparing the tests",
    "proofs": "holding them against suspects",
    "total": "total of this call, without this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of an audit of ownership.

    Args:
        findings: as `jaxattack.report.ownership` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    return fill(
        "ownership/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        summaries=summaries(findings),
        best=best(findings),
        useful=useful,
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )


def useful(loss: float) -> str:
    """The least of 1, 2 and 5 points of accuracy that a copy loses at most."""
    within = next((points for points in (1, 2, 5) if 100 * loss <= points), None)
    return "> 5" if within is None else f"≤ {within}"

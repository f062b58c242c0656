"""The page of an evasion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.evasion.reading import sentences
from jaxattack.report.evasion.tables import NORMS
from jaxattack.report.html import fill, phases
from jaxattack.report.style import Drawing

_PHASES = {
    "extraction": "stealing the model",
    "attack": "the evasion",
    "total": "total, without this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of an evasion.

    Args:
        findings: as `jaxattack.report.evasion` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    return fill(
        "evasion/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        norms=NORMS,
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )

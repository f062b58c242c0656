"""The page of an extraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.extraction.reading import PLACES, noticed, sentences
from jaxattack.report.html import fill, phases
from jaxattack.report.style import Drawing

_PHASES = {
    "victim": "waiting for the victim's answers",
    "attack": "the attack's own work",
    "total": "total, with comparing and this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of an extraction.

    Args:
        findings: as `jaxattack.report.extraction` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    return fill(
        "extraction/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        compared=[(words, findings["fidelity"][part]) for part, words in PLACES if findings["fidelity"][part]],
        noticed=noticed(findings),
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )

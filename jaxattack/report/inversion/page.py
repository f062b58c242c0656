"""The page of an inversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.html import fill, phases
from jaxattack.report.inversion.reading import MEASURES, looks, prior, sentences
from jaxattack.report.style import Drawing

_PHASES = {
    "extraction": "stealing the model",
    "attack": "the inversion",
    "evaluation": "training the evaluation model and comparing",
    "total": "total, without this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of an inversion.

    Args:
        findings: as `jaxattack.report.inversion` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    return fill(
        "inversion/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        looks=looks(findings),
        prior=prior(findings),
        measures=MEASURES,
        drawn=any(entry.get("draw") is not None for entry in findings["gallery"]),
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )

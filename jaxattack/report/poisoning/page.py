"""The page of a poisoning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.html import fill, phases
from jaxattack.report.poisoning.reading import effect, sentences, short_names, worst_point
from jaxattack.report.style import Drawing

_PHASES = {
    "crafting": "the attacker's models and the poison",
    "training": "the victims",
    "total": "total, without this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of a poisoning.

    Args:
        findings: as `jaxattack.report` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    strongest = max(findings["attacks"], key=effect)
    worst = worst_point(strongest)
    choices = sum(point["sanitise"] is None for attack in findings["attacks"] for point in attack["points"])
    alone = (worst["success"] or worst["drop"])["interval"]  # all that a report of an earlier version has
    return fill(
        "poisoning/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        names=short_names(findings["attacks"]),
        strongest=strongest,
        worst=worst,
        span=worst.get("corrected", alone),
        level=f"95%, allowing for the choice among {choices} points" if choices > 1 and "corrected" in worst else "95%",
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )

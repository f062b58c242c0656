"""The page of a reconstruction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.html import fill, phases
from jaxattack.report.reconstruction.reading import sentences
from jaxattack.report.style import Drawing

_PHASES = {
    "victims": "training victims and preparing what the attacker is handed",
    "attack": "the attack, its shadow models included",
    "judging": "baselines and comparisons",
    "total": "total, without this report's figures",
}
SHOWN = 50
"""Targets in the table of the page; targets.csv has all."""


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of a reconstruction.

    Args:
        findings: as `jaxattack.audit.findings.reconstruction` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    return fill(
        "reconstruction/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        phases=phases(findings["cost"]["seconds"], _PHASES),
        targets=findings["targets"][:SHOWN],
        records=findings["attack"]["goal"] in ("record", "records"),
    )

"""The page of an audit of generators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.audit.findings.rates import rate_key
from jaxattack.report.generator.figures import SIGHTS
from jaxattack.report.generator.reading import RATES, finds, lowest_rate, sentences
from jaxattack.report.generator.tables import tpr
from jaxattack.report.html import fill, phases
from jaxattack.report.style import Drawing

_PHASES = {
    "train": "training the generators, targets and references",
    "attack": "drawing samples, and all attacks",
    "total": "total, without this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of an audit of generators.

    Args:
        findings: as `jaxattack.audit.findings.generator` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    keys = [rate_key(one) for one in RATES]
    attacks = findings["attacks"]
    lowest = lowest_rate(findings)
    return fill(
        "generator/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        keys=keys,
        rows=[
            (attack, SIGHTS[attack["sees"]][0], [tpr(attack, key) for key in keys], finds(attack)) for attack in attacks
        ],
        lowest=lowest,
        strongest=attacks[0],
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )

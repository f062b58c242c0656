"""The page of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.compare.reading import (
    claimed,
    contrast_in_points,
    pairing_in_words,
    quoted_rate,
    sentences,
    signed,
    signed_points,
)
from jaxattack.report.html import fill
from jaxattack.report.style import Drawing


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of a comparison.

    Args:
        findings: the values of a class of `jaxattack.audit.findings.comparison`.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    shared = {
        "headline": sentences(findings),
        "signed": signed,
        "signed_points": signed_points,
        "in_points": contrast_in_points,
    }
    if findings["subject"] == "matrix":
        return fill("compare/matrices.html.jinja", findings, drawings, **shared)
    if findings["subject"] == "report":
        return fill("compare/reports.html.jinja", findings, drawings, **shared)
    return fill(
        "compare/runs.html.jinja",
        findings,
        drawings,
        quoted=quoted_rate(findings),
        claimed=claimed(findings),
        pairings=[pairing_in_words(pair, findings["runs"][0]["name"]) for pair in findings["pairs"]],
        **shared,
    )

"""The page of an inference of architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.architecture.reading import PUBLISHED, SPLITS, right, sentences
from jaxattack.report.architecture.tables import accuracy_of
from jaxattack.report.html import fill, phases
from jaxattack.report.measure import ARCHITECTURE
from jaxattack.report.style import Drawing

_PHASES = {
    "zoo": "training or reading the zoo",
    "judging": "learning from parts of it, and reading the others",
    "attack": "learning from all of it, and asking the victim",
    "total": "total, without this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of an inference of architecture.

    Args:
        findings: as `jaxattack.report.architecture` describes.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    splits = [
        (name, words) for name, words in SPLITS.items() if any(split["name"] == name for split in findings["splits"])
    ]
    rows = [
        (
            attribute,
            [accuracy_of(findings, name, attribute["name"]) for name, _ in splits],
            PUBLISHED.get(attribute["name"]),
        )
        for attribute in findings["attributes"]
    ]
    return fill(
        "architecture/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        rows=rows,
        splits=splits,
        mean=ARCHITECTURE["accuracy"](findings),
        right=right(findings),
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )

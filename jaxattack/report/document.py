"""The report.json of a folder: read, and asked what matters most in it, without what draws its page and its figures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxattack.audit.findings import values
from jaxattack.disk import read_json
from jaxattack.error import InputError
from jaxattack.report.measure import MEASURES, why_unfinished

FORMAT = 1
NEEDED: Mapping[str, tuple[str, ...]] = {
    "membership": ("attacks", "claim", "models", "vulnerable", "vulnerability"),
    "matrix": ("columns", "cells", "cost"),
    "extraction": ("victim", "attack", "fidelity", "cost"),
    "inversion": ("victim", "attack", "recognition", "targets", "cost"),
    "epsilon": ("experiment", "bounds", "cost"),
    "evasion": ("victim", "attack", "success", "records", "cost"),
    "ownership": ("split", "victims", "suspects", "tests", "cost"),
    "poisoning": ("victim", "clean", "attacks", "cost"),
    "reconstruction": ("victim", "attack", "comparisons", "targets", "cost"),
    "architecture": ("victim", "attack", "zoo", "attributes", "cost"),
    "generator": ("generators", "attacks", "cost"),
    "target": ("attacks", "verdicts", "records", "cost"),
    "compare": ("runs", "subject", "cost"),
}
"""By kind of audit, the parts of its findings without which there is nothing to show."""

_STOPPING = ("extraction", "inversion", "evasion", "reconstruction", "architecture")
"""The kinds of audit whose attack may stop before its end."""


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The findings of a report.

    Args:
        folder: that `jaxattack.report.write` wrote to.

    Raises:
        InputError: there is no report, or it is damaged or of another version.
    """
    folder = Path(folder)
    findings = read_json(folder / "report.json")
    needed = NEEDED.get(str(findings.get("kind")))
    if findings.get("format") != FORMAT or needed is None or not all(findings.get(part) for part in needed):
        raise InputError(
            f"{folder / 'report.json'} has kind {findings.get('kind')!r:.40} and format {findings.get('format')!r:.40}, and this "
            f"version reads format {FORMAT} of {' and '.join(NEEDED)}, whole: make the report again."
        )
    return findings


def measures(findings: Any) -> dict[str, float | None]:
    """The figures in the findings, as for `jaxattack.report.write`, that a limit may be set on, what matters most first; None if not measured."""
    plain = values(findings)
    return {name: measure(plain) for name, measure in MEASURES[plain["kind"]].items()}


def unfinished(findings: Any) -> str:
    """Why the attack of the findings, as for `jaxattack.report.write`, stopped before its end, in a sentence; empty where it did not."""
    plain = values(findings)
    return why_unfinished(plain) if plain["kind"] in _STOPPING else ""

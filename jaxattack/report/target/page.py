"""The page of one target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxattack.report.html import fill, phases
from jaxattack.report.style import Drawing
from jaxattack.report.target.reading import claimed, sentences
from jaxattack.report.target.tables import rate_key, tpr_at

SHOWN = 24
"""Records on the page, the smallest p-values first; records.csv has all."""
_PHASES = {
    "victim": "waiting for the target's answers",
    "train": "training the references",
    "score": "attacking",
    "total": "total, without this report's figures",
}


def render(findings: Mapping[str, Any], drawings: Mapping[str, Drawing]) -> str:
    """The page of one target.

    Args:
        findings: the values of `jaxattack.audit.findings.target_audit.TargetAuditFindings`.
        drawings: figures by name; those that are absent are left out.

    Returns:
        A whole HTML document.
    """
    fpr = findings["verdicts"]["fpr"]
    return fill(
        "target/page.html.jinja",
        findings,
        drawings,
        headline=sentences(findings),
        first=claimed(findings),
        attacks=[(attack, tpr_at(attack, fpr)) for attack in findings["attacks"]],
        calibrations=[(row, rate_key(row["realised_fpr"], fpr)) for row in findings["calibrations"]],
        records=_records(findings["records"]),
        phases=phases(findings["cost"]["seconds"], _PHASES),
    )


def _records(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The records with the smallest p-values."""
    order = sorted(range(len(columns["number"])), key=lambda row: (columns["p_value"][row], -columns["score"][row]))
    return [{name: values[row] for name, values in columns.items() if values} for row in order[:SHOWN]]

"""One target in rows: its attacks and calibrations for the terminal, and every record for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.grid import empty_grid
from jaxattack.report.wording import count, number, percent, rate, small

COLUMNS = ("record", "id", "label", "score", "p_value", "verdict", "member")
KNOWN = {1: "yes", 0: "no", -1: ""}
SHOWN = 8
"""Attacks of the terminal's table; the page has all."""


def table(findings: Mapping[str, Any]) -> RenderableType:
    """Attacks, calibrations and other references, for a terminal of 80 columns."""
    verdicts = findings["verdicts"]
    at = f"@{rate(verdicts['fpr'])}"
    attacks = empty_grid("attack", "AUC", at, "references' AUC", at)
    for attack in findings["attacks"][:SHOWN]:
        known = attack["known"]
        attacks.add_row(
            attack["name"],
            number(known and known["auc"]),
            percent(tpr_at(attack, verdicts["fpr"])),
            number(attack["reference_auc"]),
            percent(attack["reference_tpr"]),
        )
    calibrations = empty_grid("p-values by", "scores", "smallest", "wrong", "found")
    for row in findings["calibrations"]:
        key = rate_key(row["realised_fpr"], verdicts["fpr"])
        calibrations.add_row(
            f"{row['name']}{' (used)' if row['name'] == findings['calibration']['name'] else ''}",
            count(row["scores"]),
            small(row["smallest"]),
            percent(row["realised_fpr"].get(key)),
            percent(row["realised_tpr"].get(key)),
        )
    others = empty_grid("references of", "AUC", at, "called", "also called", "rank corr.")
    for row in findings["others"]:
        others.add_row(
            row["what"], number(row["auc"]), percent(row["tpr"]), count(row["called"]), count(row["also_called"]),
            number(row["rank_correlation"], 2),
        )  # fmt: skip
    return Group(attacks, calibrations, *([others] if others.row_count else []))


def rate_key(rates: Mapping[str, Any], fpr: float) -> str:
    """The name that a false-positive rate has among some; empty where it is not there."""
    return next((key for key in rates if float(key) == fpr), "")


def tpr_at(attack: Mapping[str, Any], fpr: float) -> float | None:
    """The true-positive rate of an attack on the known records; None where none is known or the rate is another."""
    return attack["known"] and attack["known"]["tpr"].get(rate_key(attack["known"]["tpr"], fpr))


def comma_separated(findings: Mapping[str, Any]) -> str:
    """The records as CSV; `member` is empty where it is not known, and so is `id` where records have none."""
    rows = findings["records"]
    ids = rows["id"] or [""] * len(rows["number"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record, name, label, score, p_value, verdict, member in zip(
        rows["number"], ids, rows["label"], rows["score"], rows["p_value"], rows["verdict"], rows["member"], strict=True
    ):
        writer.writerow((record, name, label, f"{score:.9g}", f"{p_value:.6g}", verdict, KNOWN[member]))
    return text.getvalue()

"""Attacks on generators as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.audit.findings.rates import rate_key
from jaxattack.report.generator.reading import RATES
from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import count, duration, number, percent, rate

COLUMNS: tuple[str, ...] = (
    "attack", "paper", "sees", "auc", "auc_low", "auc_high", *(f"tpr@{rate_key(one)}" for one in RATES), "precision",
    "precision_sd", "tied", "set_size", "set_accuracy", "samples", "references", "queries", "gradient_steps", "seconds",
)  # fmt: skip


def table(findings: Mapping[str, Any]) -> RenderableType:
    """What each attack finds, and the cost, for a terminal of 80 columns."""
    return Group(_attacks(findings), _cost(findings))


def tpr(attack: Mapping[str, Any], key: str) -> float | None:
    """The true-positive rate at a false-positive rate; None where the scores do not resolve that."""
    return attack["tpr"][key] if attack["resolvable"][key] else None


def _attacks(findings: Mapping[str, Any]) -> Grid:
    keys = [rate_key(one) for one in RATES]
    grid = empty_grid("attack", "AUC", "95% interval", *(f"TPR at {rate(key)}" for key in keys), "precision", "seconds")
    for attack in findings["attacks"]:
        grid.add_row(
            attack["name"],
            number(attack["auc"]),
            " to ".join(number(end) for end in attack["auc_interval"]),
            *(percent(tpr(attack, key)) for key in keys),
            percent(attack["precision"]["mean"]),
            number(attack["seconds"], 1),
        )
    return grid


def _cost(findings: Mapping[str, Any]) -> Grid:
    cost = findings["cost"]
    grid = empty_grid("generators", "gradient steps", "samples", "training", "attacks", "in all")
    seconds = (duration(cost["seconds"][part]) for part in ("train", "attack", "total"))
    grid.add_row(count(cost["models"]), count(cost["gradient_steps"]), count(cost["samples"]), *seconds)
    return grid


def comma_separated(findings: Mapping[str, Any]) -> str:
    """A row for each attack as CSV; what was not measured is empty."""
    return comma_separated_rows(map(_row, findings["attacks"]), COLUMNS)


def _row(attack: Mapping[str, Any]) -> dict[str, Any]:
    sets = attack["sets"] or {"size": "", "accuracy": ""}
    same = {name: attack[name] for name in COLUMNS if name in attack}
    rates = {f"tpr@{rate_key(one)}": tpr(attack, rate_key(one)) for one in RATES}
    return {
        **same, **rates, "attack": attack["name"], "auc_low": attack["auc_interval"][0],
        "auc_high": attack["auc_interval"][1], "precision": attack["precision"]["mean"],
        "precision_sd": attack["precision"]["sd"], "set_size": sets["size"], "set_accuracy": sets["accuracy"],
    }  # fmt: skip

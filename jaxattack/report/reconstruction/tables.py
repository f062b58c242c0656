"""The attack beside its baselines as rows: for the terminal, and each target flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import count, dollars, duration, number, percent

COLUMNS = ("target", "member", "truth", "value", "score", "error", "baseline", "label", "true_label")


def table(findings: Mapping[str, Any]) -> RenderableType:
    """Comparisons and cost, for a terminal of 80 columns."""
    return Group(_comparisons(findings), _cost(findings))


def _comparisons(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid("of, and against whom", "targets", "attack", "they", "leak", "interval")
    for row in findings["comparisons"]:
        leak = row["leak"]
        grid.add_row(
            f"{row['of']}, {row['measure']}: {row['against']}",
            count(row["targets"]),
            percent(row["attack"]["value"]),
            percent(row["baseline"]["value"]),
            number(leak["value"], 3),
            f"{number(leak['low'], 3)} to {number(leak['high'], 3)}",
        )
    return grid


def _cost(findings: Mapping[str, Any]) -> Grid:
    cost = findings["cost"]
    grid = empty_grid("queries", "price", "shadow models", "gradient steps", "attack", "in all")
    grid.add_row(
        count(cost["queries"]),
        dollars(cost["price"]),
        count(cost["models"]),
        count(cost["steps"]),
        duration(cost["seconds"]["attack"]),
        duration(cost["seconds"]["total"]),
    )
    return grid


def comma_separated(findings: Mapping[str, Any]) -> str:
    """The targets as CSV; unknown values are empty."""
    return comma_separated_rows(findings["targets"], COLUMNS)

"""Tests and suspects as rows: for the terminal, and every cell flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.ownership.reading import summaries
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import MISSING, count, duration, number, percent, points, small

CELLS = (
    "test", "kind", "victim", "relation", "models", "auc", "auc_low", "auc_high", "score", "p_value", "accused", "rank_p_value", "rank_accused",
    "normal_p_value", "normal_accused", "queries", "price", "gradients", "seconds",
)  # fmt: skip
SUSPECTS = (
    "kind", "victim", "relation", "access", "models", "accuracy", "accuracy_loss", "agreement", "variation_mean",
    "variation_max", "queries", "steps", "seconds", "price", "paper",
)  # fmt: skip


def table(findings: Mapping[str, Any]) -> RenderableType:
    """What each test says of the victim first, then of copies and of independent models; and what copies are worth."""
    return Group(_tests(findings), _suspects(findings))


def _tests(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid(
        "test", "sees", "victim p", "rank p", "worst AUC", "from", "false", "of", "questions", "each",
        last=("each", "sees"),
    )  # fmt: skip
    for summary in summaries(findings):
        test, victim, worst = summary.test, summary.victim, summary.worst
        if victim is None:
            grid.add_row(test["name"], test["sees"], *[MISSING] * 8)
            continue
        false = test["false"]
        grid.add_row(
            test["name"],
            test["sees"],
            small(victim["p_value"]),
            small(victim["rank_p_value"]),
            MISSING if worst is None else number(worst["auc"]),
            MISSING if worst is None else number(worst["auc_interval"][0]),
            MISSING if false is None else count(false["accused"]),
            MISSING if false is None else count(false["models"]),
            count(victim["queries"]),
            duration(victim["seconds"]),
        )
    return grid


def _suspects(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid(
        "suspect", "models", "accuracy", "points lost", "agreement", "variation", "largest", "queries", "steps", "time",
        last=("time", "steps", "largest"),
    )  # fmt: skip
    for row in findings["suspects"]:
        kind = f"{row['kind']} ({row['victim']})" if row["victim"] else row["kind"]
        grid.add_row(
            kind,
            count(row["models"]),
            percent(row["accuracy"]),
            points(row["accuracy_loss"]),
            percent(row["agreement"]),
            number(row["variation_mean"]),
            number(row["variation_max"]),
            count(row["queries"]),
            count(row["steps"]),
            duration(row["seconds"]),
        )
    return grid


def comma_separated(findings: Mapping[str, Any]) -> str:
    """Every cell as CSV; unknown values are empty."""
    rows = [
        cell | dict(zip(("auc_low", "auc_high"), cell["auc_interval"] or ("", ""), strict=True))
        for cell in findings["cells"]
    ]
    return comma_separated_rows(rows, CELLS)


def suspects_comma_separated(findings: Mapping[str, Any]) -> str:
    """Models of each kind as CSV."""
    return comma_separated_rows(findings["suspects"], SUSPECTS)

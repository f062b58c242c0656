"""Columns as rows for the terminal and the page, and every cell flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from jaxattack.report.grid import empty_grid
from jaxattack.report.matrix.reading import largest_auc, quoted_rate
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import MISSING, number, percent, rate

COLUMNS = (
    "defence", "attack", "family", "adaptive", "static_alike", "repetitions", "leak", "leak_low", "leak_high", "test_accuracy",
    "auc", "tpr_0.1", "tpr_0.01", "tpr_0.001", "tpr_0.0001", "targets", "queries_per_record", "queries", "complete",
    "recognised_by_victim", "gradients", "models", "gradient_steps", "seconds", "reason",
)  # fmt: skip


def table(findings: Mapping[str, Any]) -> RenderableType:
    """Each column in a row, for a terminal of 80 columns."""
    key = quoted_rate(findings)
    grid = empty_grid(
        "defence", "test acc.", "gap", "static", "adaptive", "TPR" if key is None else f"TPR at {rate(key)}", "stolen", "made",
        last=("test acc.", "adaptive"),
    )  # fmt: skip
    for row in rows(findings):
        grid.add_row(
            row["name"],
            percent(row["test"]),
            number(row["gap"]),
            number(row["static"]),
            number(row["adaptive"]),
            MISSING if row["tpr"] is None else percent(row["tpr"]),
            percent(row["stolen"]),
            percent(row["made"]),
        )
    return grid


def rows(findings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each column costs and gives away: the best of each family, chosen among all that were run."""
    first = findings["columns"][0]
    return [
        {
            "name": column["name"],
            "test": column["test_accuracy"] and column["test_accuracy"]["mean"],
            "train": column["train_accuracy"] and column["train_accuracy"]["mean"],
            "gap": column["gap"],
            "static": largest_auc(findings, column["name"], adaptive=False),
            "adaptive": largest_auc(findings, column["name"], adaptive=True),
            "strongest": column["strongest"],
            "tpr": column["strongest"] and column["strongest"]["tpr"],
            "stolen": _best(findings, column["name"], "extraction"),
            "made": _best(findings, column["name"], "inversion"),
            "label_changes": column["label_changes"],
            "distortion": column["distortion"],
            "steps": _ratio(column["gradient_steps"], first["gradient_steps"]),
            "trained": column["trained"],
            "train_seconds": column["train_seconds"] if column["trained"] else None,
            "observe_seconds": column["observe_seconds"],
        }
        for column in findings["columns"]
    ]


def _best(findings: Mapping[str, Any], defence: str, family: str) -> float | None:
    leaks = [
        cell["leak"] for cell in findings["cells"]
        if (cell["defence"], cell["family"]) == (defence, family) and cell["leak"] is not None
    ]  # fmt: skip
    return max(leaks, default=None)


def _ratio(value: float, by: float) -> float | None:
    return value / by if by else None


def comma_separated(findings: Mapping[str, Any]) -> str:
    """The cells as CSV; unknown values are empty."""
    return comma_separated_rows(map(_row, findings["cells"]), COLUMNS)


def _row(cell: Mapping[str, Any]) -> dict[str, Any]:
    low, high = cell["leak_interval"] or (None, None)
    rates = {f"tpr_{key}": value for key, value in (cell["tpr"] or {}).items()}
    return {**cell, "leak_low": low, "leak_high": high, **rates}

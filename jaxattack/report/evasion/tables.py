"""Success and distance as rows: for the terminal, and each record flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import count, dollars, duration, percent, small

COLUMNS = ("record", "label", "right", "success", "answer", "l0", "l1", "l2", "linf", "questions", "first")
NORMS = (("l0", "features changed"), ("l1", "1-norm"), ("l2", "2-norm"), ("linf", "max norm"))


def table(findings: Mapping[str, Any]) -> RenderableType:
    """Success, distance and cost, for a terminal of 80 columns."""
    return Group(_success(findings), *([_distance(findings)] if findings["distance"] else []), _cost(findings))


def _success(findings: Mapping[str, Any]) -> Grid:
    success = findings["success"]
    interval = "–" if success["interval"] is None else " to ".join(map(percent, success["interval"]))
    grid = empty_grid("records", "right before", "fooled", "of those right", "95% interval", "wrong after, of all")
    grid.add_row(
        count(success["records"]),
        count(success["right"]),
        count(success["fooled"]),
        percent(success["among_right"]),
        interval,
        percent(success["among_all"]),
    )
    return grid


def _distance(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid("distance of those fooled", "lower quartile", "median", "upper quartile")
    for norm, words in NORMS:
        grid.add_row(words, *(small(findings["distance"][norm][part]) for part in ("lower", "median", "upper")))
    return grid


def _cost(findings: Mapping[str, Any]) -> Grid:
    cost = findings["cost"]
    grid = empty_grid("queries", "a record", "price", "gradients", "attack", "in all")
    grid.add_row(
        count(cost["queries"]),
        count(cost["questions"] / findings["success"]["records"]),
        dollars(cost["price"]),
        count(cost["gradients"]),
        duration(cost["seconds"]["attack"]),
        duration(cost["seconds"]["total"]),
    )
    return grid


def comma_separated(findings: Mapping[str, Any]) -> str:
    """The records as CSV; unknown values are empty."""
    return comma_separated_rows(findings["records"], COLUMNS)

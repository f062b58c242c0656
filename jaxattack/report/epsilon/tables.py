"""Bounds on epsilon as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from jaxattack.report.grid import empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import count, number, words

COLUMNS = ("name", "epsilon", "claim", "assumes", "counts", "trials", "errors", "why")


def table(findings: Mapping[str, Any]) -> RenderableType:
    """The bounds, and the upper ones, for a terminal of 80 columns."""
    rows = findings["bounds"]
    lower = empty_grid("lower bound", "epsilon", "of", "errors", "counts")
    for row in rows:
        if row["epsilon"] is not None:
            lower.add_row(
                words(row["name"]), number(row["epsilon"], 2), count(row["trials"]), count(row["errors"]), row["counts"]
            )
    refused = [Text(words(f"{row['name']}: {row['why']}")) for row in rows if row["epsilon"] is None]
    upper = empty_grid("upper bound", "epsilon")
    for row in findings["upper"] or ():
        upper.add_row(row["name"], "none" if row["epsilon"] is None else number(row["epsilon"], 2))
    parts = [*([lower] if lower.row_count else []), *refused, *([upper] if upper.row_count else [])]
    return Group(*parts)


def tally(row: Mapping[str, Any]) -> str:
    """What a bound counts, and how many of it were wrong."""
    if row["errors"] is None:
        return f"{row['trials']:,} {row['counts']}"
    return f"{row['errors']:,} wrong of {row['trials']:,} {row['counts']}"


def comma_separated(findings: Mapping[str, Any]) -> str:
    """The bounds as CSV, those that are not allowed too; unknown values are empty."""
    return comma_separated_rows(findings["bounds"], COLUMNS)

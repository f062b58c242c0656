"""Attributes as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.architecture.reading import split_of
from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import count, dollars, duration, percent

COLUMNS: tuple[str, ...] = (
    "attribute", "value", "posterior", "guess", "truth", "chance", "random", "random_low", "random_high", "architecture",
    "depth", "shuffled",
)  # fmt: skip


def table(findings: Mapping[str, Any]) -> RenderableType:
    """The guesses and how good they are, for a terminal of 80 columns."""
    return Group(_attributes(findings), _cost(findings))


def accuracy_of(findings: Mapping[str, Any], split: str, attribute: str) -> Mapping[str, Any] | None:
    """How good the attack is about an attribute in a split; None where that was not measured."""
    return next((row for row in split_of(findings, split) if row["attribute"] == attribute), None)


def _attributes(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid("attribute", "guess", "posterior", "truth", "held-out nets", "95% interval", "chance")
    for attribute in findings["attributes"]:
        row = accuracy_of(findings, "random", attribute["name"])
        grid.add_row(
            attribute["name"],
            attribute["guess"],
            percent(max(attribute["posterior"])),
            attribute["truth"] or "–",
            percent(row["accuracy"] if row else None),
            " to ".join(map(percent, row["interval"])) if row else "–",
            percent(1 / len(attribute["values"])),
        )
    return grid


def _cost(findings: Mapping[str, Any]) -> Grid:
    cost = findings["cost"]
    grid = empty_grid("networks", "queries", "price", "zoo", "judging", "attack", "in all")
    seconds = (duration(cost["seconds"][part]) for part in ("zoo", "judging", "attack", "total"))
    grid.add_row(count(cost["models"]), count(cost["queries"]), dollars(cost["price"]), *seconds)
    return grid


def comma_separated(findings: Mapping[str, Any]) -> str:
    """A row for each value of each attribute as CSV; what was not measured is empty."""
    return comma_separated_rows(_rows(findings), COLUMNS)


def _rows(findings: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One for each value of each attribute."""
    for attribute in findings["attributes"]:
        rows = {name: accuracy_of(findings, name, attribute["name"]) for name in COLUMNS[6:] if "_" not in name}
        random = rows["random"]
        shared = {name: row["accuracy"] for name, row in rows.items() if row}
        shared |= dict(zip(("random_low", "random_high"), random["interval"], strict=True)) if random else {}
        for value, share in zip(attribute["values"], attribute["posterior"], strict=True):
            yield {
                "attribute": attribute["name"], "value": value, "posterior": share, "guess": value == attribute["guess"],
                "truth": "" if attribute["truth"] is None else value == attribute["truth"],
                "chance": 1 / len(attribute["values"]), **shared,
            }  # fmt: skip

"""Accuracy and success as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import MISSING, percent, points, rate

Values = Mapping[str, Any]
SHARES = ("accuracy", "drop", "success", "without")
COLUMNS = (
    "attack", "goal", "sanitise", "share", "poison", "left",
    *(f"{name}{end}" for name in SHARES for end in ("", "_low", "_high")),
)  # fmt: skip


def table(findings: Values) -> RenderableType:
    """Every point, for a terminal of 80 columns."""
    return Group(_clean(findings), _points(findings), *([_leakage(findings)] if findings["leakage"] else []))


def _clean(findings: Values) -> Grid:
    grid = empty_grid("without poison", "records", "accuracy", "95% interval")
    for clean in findings["clean"]:
        interval = " to ".join(map(percent, clean["accuracy"]["interval"]))
        grid.add_row(
            clean["sanitise"] or "no filter", f"{clean['records']:,}", percent(clean["accuracy"]["value"]), interval
        )
    return grid


def _points(findings: Values) -> Grid:
    grid = empty_grid("attack", "poison", "accuracy", "drop", "success", "95% interval", "without")
    for attack in findings["attacks"]:
        for point in attack["points"]:
            success = point["success"]
            grid.add_row(
                attack["name"] + (f" + {point['sanitise']}" if point["sanitise"] else ""),
                rate(point["share"]),
                percent(point["accuracy"]["value"]),
                f"{'-' if point['drop']['value'] < 0 else ''}{points(abs(point['drop']['value']))}",
                MISSING if success is None else percent(success["value"]),
                MISSING if success is None else " to ".join(percent(end) for end in success["interval"]),
                MISSING if success is None else percent(point["without"]["value"]),
            )
    return grid


def _leakage(findings: Values) -> Grid:
    grid = empty_grid("membership (AUC)", "of", "clean", "with backdoor")
    for leak in findings["leakage"]:
        for words, clean, backdoor in (
            ("stamped records", "clean", "backdoor"),
            ("others", "others_clean", "others_backdoor"),
        ):
            grid.add_row(leak["attack"], words, f"{leak[clean]['auc']:.3f}", f"{leak[backdoor]['auc']:.3f}")
    return grid


def rows(findings: Values) -> Iterator[dict[str, Any]]:
    """Every point as one flat row; shares with both ends of their intervals."""
    for attack in findings["attacks"]:
        for point in attack["points"]:
            row = {"attack": attack["name"], "goal": attack["goal"]}
            row |= {name: point[name] for name in ("sanitise", "share", "poison", "left")}
            for name in SHARES:
                if point[name] is not None:
                    low, high = point[name]["interval"]
                    row |= {name: point[name]["value"], f"{name}_low": low, f"{name}_high": high}
            yield row


def comma_separated(findings: Values) -> str:
    """The points as CSV; what there is not is empty."""
    return comma_separated_rows(rows(findings), COLUMNS)

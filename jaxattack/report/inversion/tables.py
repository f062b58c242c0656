"""Who recognises the reconstructions, as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import MISSING, count, dollars, duration, number, percent, small

COLUMNS = (
    "target",
    "score",
    "victim",
    "rank",
    "steps",
    "mse",
    "psnr",
    "ssim",
    "correlation",
    "correlation_mean",
    "name",
    "passes",
)
_ANSWERS = {True: "yes", False: "no", None: MISSING}


def table(findings: Mapping[str, Any]) -> RenderableType:
    """Recognition, the targets, and cost, for a terminal of 80 columns."""
    grids = [_targets(findings), _cost(findings)]
    return Group(*grids) if findings["attack"]["updates"] else Group(_recognition(findings), *grids)


def _recognition(findings: Mapping[str, Any]) -> Grid:
    recognition, model = findings["recognition"], findings["evaluation"]
    grid = empty_grid("taken for its class by", "best restart", "any restart", "top 5", "accuracy")
    victim = findings["victim"]["accuracy"] or {}
    grid.add_row(
        "the victim",
        percent(recognition["victim"]),
        percent(recognition["victim_restarts"]),
        "–",
        percent(victim.get("others")),
    )
    if model:
        grid.add_row(
            f"an independent {model['model']}",
            percent(recognition["top1"]),
            percent(recognition["top1_restarts"]),
            percent(recognition["top5"]),
            percent(model["accuracy"]),
        )
    return grid


def _targets(findings: Mapping[str, Any]) -> Grid:
    looks = bool(findings.get("appearance"))
    beside = "the user's own record" if findings["attack"]["updates"] else "the nearest member of the class"
    grid = empty_grid(
        "class", "score" if findings["attack"]["updates"] else "confidence", *(["passes"] if looks else []), "taken for", "rank",
        "SSIM", "corr.", "corr. mean", "PSNR",
        caption=f"{'passes: would pass for a record of its class to the eye. ' if looks else ''}SSIM, corr., PSNR: with {beside}; "
        "corr. mean: with the mean member.",
    )  # fmt: skip
    for row in findings["targets"][:10]:
        grid.add_row(
            str(row.get("name", row["target"])),
            small(row["score"]),
            *([_ANSWERS[row.get("passes")]] if looks else []),
            row.get("victim_name") or count(row["victim"]),
            MISSING if row["rank"] is None else str(row["rank"] + 1),
            number(row.get("ssim"), 2),
            number(row.get("correlation"), 2),
            number(row.get("correlation_mean"), 2),
            number(row.get("psnr"), 1),
        )
    return grid


def _cost(findings: Mapping[str, Any]) -> Grid:
    cost = findings["cost"]
    grid = empty_grid("queries", "price", "gradients", "attack", "in all")
    grid.add_row(
        count(cost["queries"]),
        dollars(cost["price"]),
        count(cost["gradients"]),
        duration(cost["seconds"]["attack"]),
        duration(cost["seconds"]["total"]),
    )
    return grid


def comma_separated(findings: Mapping[str, Any]) -> str:
    """The targets as CSV; ranks from 0, ``passes`` True or False, and unknown values empty."""
    return comma_separated_rows(findings["targets"], COLUMNS)

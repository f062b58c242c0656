"""How alike the stolen model is, as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType

from jaxattack.report.extraction.reading import PLACES
from jaxattack.report.grid import Grid, empty_grid
from jaxattack.report.spreadsheet import comma_separated_rows
from jaxattack.report.wording import count, dollars, duration, number, percent, shown, size, small

_SIDE_BY_SIDE = 6


def table(findings: Mapping[str, Any]) -> RenderableType:
    """Fidelity, parameters before and after, and cost, for a terminal of 80 columns."""
    grids = [_fidelity(findings), _verification(findings)]
    if findings["parameters"]:
        grids.append(_parameters(findings["parameters"]))
    if findings.get("watch"):
        grids.append(_watch(findings["watch"]))
    return Group(*grids, _cost(findings))


def _fidelity(findings: Mapping[str, Any]) -> Grid:
    grid = empty_grid("asked of both", "records", "agreement", "total variation", "outputs apart", "accuracy")
    for part, words in PLACES:
        entry = findings["fidelity"][part]
        if entry is None:
            continue
        accuracy = entry["accuracy"]
        grid.add_row(
            words,
            count(entry["records"]),
            percent(entry["agreement"], 4) if findings["victim"]["classes"] > 1 else "–",  # a number has no label
            small(entry["total_variation"]["max"] if entry["total_variation"] else None),
            small(entry["difference"]),
            f"{number(accuracy['stolen'])} (victim {number(accuracy['victim'])})" if accuracy else "–",
        )
    return grid


def _verification(findings: Mapping[str, Any]) -> Grid:
    """Fresh inputs on which the stolen model was verified, by place."""
    verification = findings["attack"]["verification"]
    grid = empty_grid("verified on", "fresh inputs", "disagreed", "at most (95%)")
    for place, tally in verification["places"].items():
        grid.add_row(place, count(tally["trials"]), count(tally["disagreements"]), "")
    bound = percent(verification["bound"], 2)
    grid.add_row("all", count(verification["trials"]), count(verification["disagreements"]), bound)
    return grid


def _parameters(parameters: Mapping[str, Any]) -> Grid:
    """The first parameters, the victim's beside the stolen ones."""
    grid = empty_grid("parameter", "victim", "stolen", "apart")
    for part in parameters["parts"]:
        for index, (true, stolen) in enumerate(zip(part["true"], part["stolen"], strict=True)):
            if index == _SIDE_BY_SIDE:
                grid.add_row(f"… {part['name']}", "", "", "")
                break
            grid.add_row(f"{part['name']} {index}", shown(true), shown(stolen), small(abs(true - stolen)))
    return grid


def _watch(watch: Mapping[str, Any]) -> Grid:
    """Whether the owner would have noticed."""
    grid = empty_grid("watched by", "questions", "alarm at question", "lowest W", "alarm below", "repeated")
    alarm = "none" if watch["alarm"] is None else count(watch["alarm"])
    grid.add_row(
        watch["detector"], count(watch["questions"]), alarm, number(watch["lowest"]), number(watch["delta"]),
        count(watch["repeats"]),
    )  # fmt: skip
    return grid


def _cost(findings: Mapping[str, Any]) -> Grid:
    cost = findings["cost"]
    grid = empty_grid("queries", "calls", "sent", "price", "waiting for the victim", "in all")
    grid.add_row(
        count(cost["queries"]),
        count(cost["calls"]),
        size(cost["bytes"]),
        dollars(cost["price"]),
        duration(cost["seconds"]["victim"]),
        duration(cost["seconds"]["total"]),
    )
    return grid


def comma_separated(findings: Mapping[str, Any]) -> str:
    """Agreement by queries as CSV; shares from 0 to 1, and unknown values empty."""
    return comma_separated_rows(findings["curve"], ["queries", "held_out", "uniform"])

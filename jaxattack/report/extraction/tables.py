"""How alike the stolen model is, as rows: for the terminal, and flat for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from jaxattack.report.extraction.reading import PLACES
from jaxattack.report.wording import count, dollars, duration, number, percent, size, small

_SIDE_BY_SIDE = 6


def table(findings: Mapping[str, Any]) -> RenderableType:
    """Fidelity, parameters before and after, and cost, for a terminal of 80 columns."""
    shown = [_fidelity(findings), _verification(findings)]
    if findings["parameters"]:
        shown.append(_parameters(findings["parameters"]))
    return Group(*shown, _cost(findings))


def _plain(*columns: str) -> Table:
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index else "left", overflow="fold")
    return made


def _fidelity(findings: Mapping[str, Any]) -> Table:
    made = _plain("asked of both", "records", "agreement", "total variation", "outputs apart", "accuracy")
    for part, words in PLACES:
        found = findings["fidelity"][part]
        if found is None:
            continue
        accuracy = found["accuracy"]
        made.add_row(
            words,
            count(found["records"]),
            percent(found["agreement"], 4),
            small(found["total_variation"]["max"] if found["total_variation"] else None),
            small(found["difference"]),
            f"{number(accuracy['stolen'])} (victim {number(accuracy['victim'])})" if accuracy else "–",
        )
    return made


def _verification(findings: Mapping[str, Any]) -> Table:
    """Fresh inputs on which the stolen model was verified, by place."""
    verification = findings["attack"]["verification"]
    made = _plain("verified on", "fresh inputs", "disagreed", "at most (95%)")
    for place, tally in verification["places"].items():
        made.add_row(place, count(tally["trials"]), count(tally["disagreements"]), "")
    bound = percent(verification["bound"], 2)
    made.add_row("all", count(verification["trials"]), count(verification["disagreements"]), bound)
    return made


def _parameters(parameters: Mapping[str, Any]) -> Table:
    """The first parameters, the victim's beside the stolen ones."""
    made = _plain("parameter", "victim", "stolen", "apart")
    for part in parameters["parts"]:
        for index, (true, stolen) in enumerate(zip(part["true"], part["stolen"], strict=True)):
            if index == _SIDE_BY_SIDE:
                made.add_row(f"… {part['name']}", "", "", "")
                break
            made.add_row(f"{part['name']} {index}", f"{true:.9f}", f"{stolen:.9f}", small(abs(true - stolen)))
    return made


def _cost(findings: Mapping[str, Any]) -> Table:
    cost = findings["cost"]
    made = _plain("queries", "calls", "sent", "price", "waiting for the victim", "in all")
    made.add_row(
        count(cost["queries"]),
        count(cost["calls"]),
        size(cost["bytes"]),
        dollars(cost["price"]),
        duration(cost["seconds"]["victim"]),
        duration(cost["seconds"]["total"]),
    )
    return made


def comma_separated(findings: Mapping[str, Any]) -> str:
    """Agreement by queries as CSV; shares from 0 to 1, and unknown values empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["queries", "held_out", "uniform"], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(findings["curve"])
    return text.getvalue()

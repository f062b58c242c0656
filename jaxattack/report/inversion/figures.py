"""The figures of an inversion, from the findings and the pictures that they number.

gallery     what was made, beside the nearest member and the mean of the members
steps       how it came about
confidence  the victim's confidence in each target, and how far it is like the members
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxattack.report.kind import Draw, Pictures, of_findings
from jaxattack.report.pictures import grid
from jaxattack.report.style import COLUMN, SERIES
from jaxattack.report.wording import number


def _entries(findings: Mapping[str, Any], pictures: Pictures) -> list[Mapping[str, Any]]:
    """Those of the gallery whose pictures are there."""
    return [entry for entry in findings["gallery"] if entry["made"] in pictures]


def _gallery(findings: Mapping[str, Any], pictures: Pictures) -> tuple[Figure, str] | None:
    entries, updates = _entries(findings, pictures), bool(findings["attack"]["updates"])
    if not entries:
        return None
    beside = (("record", "nearest"),)
    if not updates:
        beside = (("mean member", "mean"), ("nearest", "nearest"), ("generator", "draw"))
    rows = [(words, key) for words, key in (*beside, ("made", "made")) if any(e.get(key) is not None for e in entries)]
    figure = grid(
        [[None if entry.get(key) is None else pictures[entry[key]] for entry in entries] for _, key in rows],
        [words for words, _ in rows],
        [str(entry["target"]) for entry in entries],
        stretched=set() if updates else {len(rows) - 1},
    )
    targets = ", ".join(str(entry["target"]) for entry in entries)
    return figure, f"Reconstructions of the classes {targets} under the victim's own records of them."


def _steps(findings: Mapping[str, Any], pictures: Pictures) -> tuple[Figure, str] | None:
    entries = _entries(findings, pictures)
    steps = [step for step, _ in entries[0]["frames"]] if entries else []
    if not steps:
        return None
    body = [[pictures[entry["frames"][at][1]] for entry in entries] for at in range(len(steps))]
    figure = grid(
        [*body, [pictures[entry["made"]] for entry in entries]],
        [*(f"{step:,}" for step in steps), "last"],
        [str(entry["target"]) for entry in entries],
        stretched=set(range(len(steps) + 1)),
    )
    return figure, f"The reconstructions after {', '.join(map(str, steps))} steps and at the end."


def _confidence(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    # A class without members has no mean, and of one feature or one value nothing is correlated.
    rows = [row for row in findings["targets"] if row["score"] is not None and row.get("correlation_mean") is not None]
    if not rows or findings["attack"]["updates"]:
        return None
    figure = Figure(figsize=(COLUMN, 2.6))
    axes = figure.add_subplot()
    for right, words, colour, mark in ((True, "recognised", SERIES[0], "o"), (False, "not recognised", SERIES[1], "x")):
        group = [row for row in rows if ((row["rank"] or 0) == 0) == right]
        if group:
            x, y = [row["correlation_mean"] for row in group], [row["score"] for row in group]
            axes.plot(x, y, mark, color=colour, markersize=3.5, label=words, linestyle="none", clip_on=False)
    # From nothing alike to the same: what matters is where in all of it the points lie.
    lowest = min(0.0, *(row["correlation_mean"] for row in rows))
    axes.set(
        xlim=(lowest, 1), ylim=(0, 1), xlabel="correlation with the class's mean member", ylabel="victim's confidence"
    )
    # Within the axes a legend's mark would pass for one of the points.
    figure.legend(loc="outside upper left", ncols=2, handletextpad=0.2)
    mean = float(np.mean([row["score"] for row in rows]))
    return figure, f"The victim's confidence in each reconstruction against its likeness: mean {number(mean, 2)}."


FIGURES: Mapping[str, Draw] = {
    "gallery": _gallery,
    "steps": _steps,
    "confidence": of_findings(_confidence),
}

"""The figures of an evasion, from the findings and the pictures that they number.

gallery     records, the examples made of them, and what was changed
curve       the share of the records that are fooled within a distance
questions   and with so many questions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxattack.report.kind import Draw, Pictures, of_findings
from jaxattack.report.pictures import grid
from jaxattack.report.style import COLUMN, SERIES, WIDE, label_logarithmic
from jaxattack.report.wording import count, percent, quantity

MANY = 3
"""Questions about a record that make a curve, at least: itself and one example make a step."""


def _gallery(findings: Mapping[str, Any], pictures: Pictures) -> tuple[Figure, str] | None:
    entries = [entry for entry in findings["gallery"] if entry["example"] in pictures]
    if not entries:
        return None
    rows = [("record", "record"), ("example", "example"), ("change", "change")]
    figure = grid(
        [[pictures[entry[key]] for entry in entries] for _, key in rows],
        [words for words, _ in rows],
        [_labels(entry) for entry in entries],
    )
    return (
        figure,
        f"{quantity(len(entries), 'record')}, examples made of them, and the change: {', '.join(map(_labels, entries))}.",
    )


def _labels(entry: Mapping[str, Any]) -> str:
    return f"{entry['label']}" if entry["answer"] is None else f"{entry['label']} → {entry['answer']}"


def _curve(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    curve = findings["curve"]
    if not curve or not any(len(part["distance"]) > 1 for part in curve.values()):
        return None
    figure = Figure(figsize=(WIDE, 2.2))
    for place, (norm, words) in enumerate((("l2", "2-norm"), ("linf", "max norm"))):
        axes = figure.add_subplot(1, 2, place + 1)
        x, y = (np.array(curve[norm][key]) for key in ("distance", "share"))
        far = x[-1] * 1.05 or 1.0
        axes.step([*x, far], [*y, y[-1]], where="post", color=SERIES[0], linewidth=1.2, clip_on=False)
        axes.set(xlim=(0, far), ylim=(0, 1), xlabel=f"distance, {words}")
        if place == 0:
            axes.set_ylabel("share of records fooled")
        else:
            axes.set_yticklabels([])
    success = findings["success"]
    return (
        figure,
        f"Success against distance: {percent(success['among_right'])} of {quantity(success['right'], 'record')} fooled.",
    )


def _questions(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    curve = findings.get("questions")
    if not curve or curve["most"] < MANY:
        return None
    figure = Figure(figsize=(COLUMN, 2.2))
    axes = figure.add_subplot()
    x, y = (np.array(curve[key]) for key in ("questions", "share"))
    end = max(curve["most"], x[-1])
    axes.step([*np.maximum(x, 1), end], [*y, y[-1]], where="post", color=SERIES[0], linewidth=1.2, clip_on=False)
    axes.set_xscale("log")
    label_logarithmic(axes.xaxis, count, np.log10(end))
    axes.set(xlim=(1, end), ylim=(0, 1), xlabel="questions about a record", ylabel="share of records fooled")
    half = "" if curve["median"] is None else f"; half of those fooled by question {count(curve['median'])}"
    return figure, f"Success against questions, of at most {count(curve['most'])} about a record{half}."


FIGURES: Mapping[str, Draw] = {
    "gallery": _gallery,
    "curve": of_findings(_curve),
    "questions": of_findings(_questions),
}

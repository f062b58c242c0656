"""The figures of a comparison.

roc             the claimed attack on every run, each curve with its band
differences     every attack: how much more it finds of each run than of the first, with intervals
cells           of matrices, the difference of every cell
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jaxattack.report.compare.reading import claimed, quoted_rate, signed
from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.membership.figures import roc
from jaxattack.report.style import INK, MUTED, RULE, SERIES, WIDE
from jaxattack.report.wording import number, percent, quantity, rate

_DARK, _LIGHT = "#17191d", "#fdfdfd"  # on colours that stay as they are where the page is dark
_ROW = 0.1
"""Inches of a difference."""


def _roc(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    if findings["subject"] != "membership":
        return None
    attack, quoted = claimed(findings), quoted_rate(findings)
    curves = [
        {**entry, "name": run["name"]}
        for run, entry in zip(findings["runs"], attack["runs"], strict=True)
        if entry is not None
    ]
    figure = roc(curves, bands=len(curves))
    said = [f"{one['name']} {percent(one['tpr'][quoted]) if quoted else number(one['auc'])}" for one in curves]
    measure = f"True-positive rate at {rate(quoted)} false positives" if quoted else "AUC"
    return figure, f"ROC curves of {attack['name']} on logarithmic axes, a curve a run. {measure}: {', '.join(said)}."


def _differences(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    if findings["subject"] != "membership":
        return None
    attacks = [attack for attack in findings["attacks"] if any(leak is not None for leak in attack["differences"])]
    if not attacks:
        return None
    others, quoted = findings["runs"][1:], quoted_rate(findings)
    figure = Figure(figsize=(WIDE, 0.75 + (_ROW * len(others) + 0.05) * len(attacks)))
    panels = figure.subplots(1, 2 if quoted else 1, sharey=True, squeeze=False)[0]
    if quoted:
        _forest(panels[0], attacks, others, lambda leak: leak["tpr"][quoted], 100)
        panels[0].set_xlabel(f"TPR at {rate(quoted)} FPR, difference (points)")
    _forest(panels[-1], attacks, others, lambda leak: leak["auc"], 1)
    panels[-1].set_xlabel("AUC, difference")
    panels[0].set_yticks([-at for at in range(len(attacks))], [attack["name"] for attack in attacks])
    panels[0].set_ylim(-len(attacks) + 0.4, 0.6)
    for axes in panels:
        axes.tick_params(axis="y", length=0, labelsize=6.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, handlelength=1.4, borderaxespad=0.1)
    first = findings["runs"][0]["name"]
    clear = sum(leak is not None and leak["auc"]["clear"] for attack in attacks for leak in attack["differences"])
    return (
        figure,
        f"{quantity(len(attacks), 'attack')}: how much more each finds than of {first}, with 95% intervals; of AUC "
        f"{quantity(clear, 'difference')} without 0.",
    )


def _forest(
    axes: Axes, attacks: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], of, scale: float
) -> None:
    """A dot and its interval for each attack and run; hollow where the interval holds 0."""
    axes.axvline(0, color=MUTED, linewidth=0.7)
    places = np.linspace(0.3, -0.3, len(others)) if len(others) > 1 else np.zeros(1)
    for run, place, colour in zip(others, places, SERIES, strict=False):
        at = others.index(run)
        for row, attack in enumerate(attacks):
            leak = attack["differences"][at]
            if leak is None:
                continue
            contrast = of(leak)
            low, high = (scale * end for end in contrast["interval"])
            y = place - row
            axes.plot([low, high], [y, y], color=colour, linewidth=0.9)
            axes.plot(
                scale * contrast["difference"], y, "o", markersize=3, color=colour,
                markerfacecolor=colour if contrast["clear"] else "none", markeredgewidth=0.8,
            )  # fmt: skip
        axes.plot([], [], "o-", color=colour, markersize=3, linewidth=0.9, label=run["name"])
    contrasts = [of(leak) for attack in attacks for leak in attack["differences"] if leak is not None]
    ends = sorted(max(map(abs, one["interval"])) for one in contrasts)
    farthest = max(abs(one["difference"]) for one in contrasts)
    # An interval on few false positives may reach anywhere: it runs to the edge.
    usual = [end for end in ends if end <= 5 * ends[len(ends) // 2]]
    reach = 1.1 * scale * max(*usual, farthest)
    axes.set_xlim(-reach or -1.0, reach or 1.0)


def _cells(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    if findings["subject"] != "matrix":
        return None
    defences = list(dict.fromkeys(cell["defence"] for cell in findings["cells"]))
    rows = list(dict.fromkeys(_row(cell) for cell in findings["cells"]))
    others = findings["runs"][1:]
    span = max(
        [abs(c["difference"]) for cell in findings["cells"] for c in cell["differences"] if c is not None], default=0.0
    )
    figure = Figure(figsize=(6.2, (0.165 * len(rows) + 1.0) * len(others)))
    for at, run in enumerate(others):
        axes = figure.add_subplot(len(others), 1, at + 1)
        for cell in findings["cells"]:
            _place(axes, defences.index(cell["defence"]), -rows.index(_row(cell)), cell["differences"][at], span or 1.0)
        axes.set(xlim=(-0.5, len(defences) - 0.5), ylim=(-len(rows) + 0.5, 0.5))
        axes.set_yticks([-row for row in range(len(rows))], rows)
        axes.set_xticks(range(len(defences)), defences, rotation=40, ha="left", rotation_mode="anchor")
        axes.xaxis.tick_top()
        axes.tick_params(length=0, labelsize=6.5)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"{run['name']} less {findings['runs'][0]['name']}")
    clear = sum(c is not None and c["clear"] for cell in findings["cells"] for c in cell["differences"])
    return figure, f"Heat map of the difference in {quantity(len(findings['cells']), 'cell')}, {clear} of them clear."


def _row(cell: Mapping[str, Any]) -> str:
    how = f", asked {cell['repetitions']} times" if cell["repetitions"] > 1 else "" if cell["adaptive"] else ", static"
    return f"{cell['attack']}{how if cell['family'] == 'membership' else ''}"


def _place(axes: Axes, x: float, y: float, contrast: Mapping[str, Any] | None, span: float) -> None:
    value = None if contrast is None else contrast["difference"]
    level = 0.0 if value is None else value / span
    face = "none" if value is None else to_hex(matplotlib.colormaps["PuOr_r"](0.5 + 0.45 * level))
    edge = INK if contrast is not None and contrast["clear"] else RULE if value is None else "none"
    axes.add_patch(Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, facecolor=face, edgecolor=edge, linewidth=0.8))
    ink = MUTED if value is None else _LIGHT if abs(level) > 0.7 else _DARK
    axes.text(x, y, "–" if value is None else signed(value), ha="center", va="center_baseline", fontsize=5.4, color=ink)


FIGURES: Mapping[str, Draw] = {
    "roc": of_findings(_roc),
    "differences": of_findings(_differences),
    "cells": of_findings(_cells),
}

"""The figures of an audit of ownership.

auc           every test on models of every kind, by how well it tells them from independent ones
accusations   independent models that each test accuses at 5%, by its own p-value and by calibrated ones
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.ownership.reading import short_names
from jaxattack.report.style import MUTED, SERIES
from jaxattack.report.wording import number, quantity

PAGE = 6.2
_DARK, _LIGHT = "#17191d", "#fdfdfd"  # on colours that stay as they are where the page is dark
_ROW = 0.19


def _auc(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    area = {(cell["test"], cell["kind"]): cell["auc"] for cell in findings["cells"] if cell["auc"] is not None}
    if not area:
        return None
    tests = [test["name"] for test in findings["tests"] if any(test["name"] == name for name, _ in area)]
    names = short_names(tests)
    kinds = list(dict.fromkeys(kind for _, kind in area))
    values = np.asarray([[area.get((test, kind), np.nan) for test in tests] for kind in kinds], float)
    figure = Figure(figsize=(PAGE, _ROW * (len(kinds) + 1) + 0.05 * max(map(len, names)) + 0.5))
    axes = figure.add_subplot()
    colours = matplotlib.colormaps["YlGnBu"].with_extremes(bad="none")
    shade = np.clip(0.05 + 0.85 * (values - 0.5) / 0.5, 0.0, 0.9)
    axes.pcolormesh(np.ma.masked_invalid(shade), cmap=colours, vmin=0, vmax=1, edgecolors="none")
    for row, line in enumerate(values):
        for place, value in enumerate(line):
            known = np.isfinite(value)
            ink = MUTED if not known else _LIGHT if shade[row, place] > 0.6 else _DARK
            axes.text(
                place + 0.5,
                row + 0.5,
                number(value, 2) if known else "–",
                ha="center",
                va="center",
                fontsize=6,
                color=ink,
            )
    axes.set_yticks(np.arange(len(kinds)) + 0.5, kinds)
    axes.set_xticks(np.arange(len(tests)) + 0.5, names, rotation=40, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.invert_yaxis()
    axes.tick_params(length=0, labelsize=6.5)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    low = float(np.nanmin(values))
    return (
        figure,
        f"Heat map of AUC against independent models, {quantity(len(kinds), 'kind')} of suspects by {quantity(len(tests), 'test')}, from {low:.2f}.",
    )


_WAYS = (
    ("false", "its own p-value", "o"),
    ("rank_false", "rank among the others", "s"),
    ("normal_false", "if scores were normal", "D"),
)


def _accusations(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    tests = [test for test in findings["tests"] if test["rank_false"]]
    if not tests:
        return None
    figure = Figure(figsize=(PAGE, 0.3 * len(tests) + 0.9))
    axes = figure.add_subplot()
    for offset, ((key, words, marker), colour) in enumerate(zip(_WAYS, SERIES, strict=False)):
        rows = [(place + 0.22 * (offset - 1), test[key]) for place, test in enumerate(tests) if test[key]]
        if not rows:
            continue
        y = [at for at, _ in rows]
        rate = np.asarray([one["rate"] for _, one in rows])
        spread = np.abs(np.asarray([one["interval"] for _, one in rows]).T - rate)
        axes.errorbar(
            100 * rate,
            y,
            xerr=100 * spread,
            fmt=marker,
            markersize=3,
            color=colour,
            linewidth=0.8,
            capsize=1.5,
            label=words,
        )
    axes.axvline(5, color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)))
    axes.set_yticks(range(len(tests)), short_names([test["name"] for test in tests]))
    axes.set(xlabel="independent models accused at 5% (%)", ylim=(len(tests) - 0.5, -0.5))
    axes.set_xlim(left=0)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, handlelength=1.2, columnspacing=1.2, borderaxespad=0.0
    )
    return (
        figure,
        f"Shares of {tests[0]['rank_false']['models']} independent models accused at 5% by {quantity(len(tests), 'test')}, with 95% intervals.",
    )


FIGURES: Mapping[str, Draw] = {
    "auc": of_findings(_auc),
    "accusations": of_findings(_accusations),
}

"""The figures of an extraction, each from the findings alone.

curve        disagreement against queries
errors       how far the two models' answers are apart
parameters   the victim's parameters against the stolen ones
weights      a linear victim's weights as pictures, above the stolen ones
tree         the recovered tree, where it fits
watch        W of the distances between questions, where the owner watched
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from jaxattack.report.extraction.reading import PLACES
from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.style import (
    COLUMN,
    DASHES,
    INK,
    MUTED,
    SERIES,
    SURFACE,
    WIDE,
    label_logarithmic,
    power,
)
from jaxattack.report.wording import count, number, percent, small

_PANELS = 6
_SIGNED = LinearSegmentedColormap.from_list("signed", [SERIES[1], SURFACE, SERIES[0]])


def _curve(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    curve = findings["curve"]
    if findings["victim"]["classes"] == 1:  # a regressor has no labels that could differ
        return None
    if len({point["queries"] for point in curve}) < 2 or not any(findings["fidelity"].values()):
        return None
    figure = Figure(figsize=(COLUMN, 2.5))
    axes = figure.add_subplot()
    ends = []
    # Half a record of the comparison: what no disagreement at all is drawn as.
    floor = 0.5 / max(part["records"] for part in findings["fidelity"].values() if part)
    for (part, words), colour, dashes in zip(PLACES, SERIES, DASHES, strict=False):
        points = [(point["queries"], 1 - point[part]) for point in curve if point[part] is not None]
        if not points:
            continue
        x, y = np.array(points).T
        axes.plot(
            x, np.maximum(y, floor), label=words, color=colour, linestyle=dashes, marker="o", markersize=2.5, linewidth=1.2,
            clip_on=False,
        )  # fmt: skip
        ends.append(f"{percent(1 - y[-1], 4)} agreement on {words} after {count(x[-1])}")
    axes.set(xscale="log", yscale="log", ylim=(floor, 1), xlabel="queries", ylabel="labels that differ (%)")
    budgets = [point["queries"] for point in curve]
    label_logarithmic(axes.yaxis, lambda share: f"{100 * share:.3g}", math.log10(1 / floor))
    label_logarithmic(axes.xaxis, lambda queries: f"{queries:,.0f}", math.log10(max(budgets) / max(min(budgets), 1)))
    figure.legend(loc="outside upper left", ncols=2, handlelength=2.2)
    return figure, f"Disagreement with the victim against queries, logarithmic: {'; '.join(ends)}."


def _errors(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    errors = findings["errors"]
    if not errors or not sum(errors["count"]):
        return None
    edges, counts = np.asarray(errors["edges"]), np.asarray(errors["count"])
    figure = Figure(figsize=(COLUMN, 2.2))
    axes = figure.add_subplot()
    axes.stairs(counts, edges, fill=True, color=SERIES[0], alpha=0.3)
    axes.stairs(counts, edges, color=SERIES[0], linewidth=1.0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    axes.set(xlabel=errors["of"], ylabel="records")
    largest = 10.0 ** edges[np.flatnonzero(counts)[-1] + 1]
    return (
        figure,
        f"Histogram of {errors['of']} over {count(counts.sum() + errors['exact'])} records: none above {small(float(largest))}.",
    )


def _parameters(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    """A panel for each array, since weights and biases differ in scale; the largest arrays where there are many."""
    parameters = findings["parameters"]
    if not parameters:
        return None
    parts = parameters["parts"][:_PANELS]
    across = min(len(parts), 2)
    rows = -(-len(parts) // across)
    figure = Figure(figsize=(COLUMN if across > 1 else 0.6 * COLUMN, 0.56 * COLUMN * rows))
    for index, (part, colour) in enumerate(zip(parts, SERIES, strict=False)):
        axes = figure.add_subplot(rows, across, index + 1)
        ends = [min(part["true"] + part["stolen"]), max(part["true"] + part["stolen"])]
        axes.plot(ends, ends, color=MUTED, linewidth=0.7, dashes=(1, 1.5), zorder=1)
        axes.plot(part["true"], part["stolen"], "o", color=colour, markersize=2.4, alpha=0.6, markeredgewidth=0)
        axes.set_title(part["name"], loc="left")
        axes.set(box_aspect=1)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.ticklabel_format(scilimits=(-2, 3))
    figure.supxlabel("victim", fontsize=8)
    figure.supylabel("stolen", fontsize=8)
    return (
        figure,
        f"The victim's parameters against the stolen ones, {count(parameters['unknowns'])} in all; they differ by at most {small(parameters['max'])}.",
    )


def _weights(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    weights = findings["weights"]
    if not weights:
        return None
    true, stolen = (np.asarray(weights[part]).reshape(-1, *weights["shape"]) for part in ("true", "stolen"))
    largest = float(np.abs(true).max()) or 1.0
    figure = Figure(figsize=(WIDE, 2 * WIDE / len(true) * weights["shape"][0] / weights["shape"][1] + 0.25))
    for row, (pictures, words) in enumerate(((true, "victim"), (stolen, "stolen"))):
        for cls, picture in enumerate(pictures):
            axes = figure.add_subplot(2, len(true), row * len(true) + cls + 1)
            axes.imshow(picture, cmap=_SIGNED, vmin=-largest, vmax=largest, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            axes.spines[:].set_visible(True)
            axes.spines[:].set_linewidth(0.4)
            if row == 0:
                axes.set_title(str(cls), fontsize=7, pad=2)
            if cls == 0:
                axes.set_ylabel(words, fontsize=7, labelpad=2)
    return figure, f"The weights of {len(true)} classes as pictures, the victim's above the stolen ones."


def _tree(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    if not findings["tree"] or not findings["tree"]["nodes"]:
        return None
    nodes = findings["tree"]["nodes"]
    leaves = sum(node["leaf"] for node in nodes)
    depth = max(node["depth"] for node in nodes)
    figure = Figure(figsize=(max(WIDE, 0.42 * leaves), 0.55 * (depth + 1) + 0.2))
    axes = figure.add_subplot()
    axes.set_axis_off()
    for node in nodes:
        if node["parent"] is not None:
            above = nodes[node["parent"]]
            axes.plot([above["x"], node["x"]], [-above["depth"], -node["depth"]], color=MUTED, linewidth=0.7, zorder=1)
        axes.annotate(
            node["words"], (node["x"], -node["depth"]), ha="center", va="center", fontsize=5.5 if leaves > 12 else 6.5,
            color=SERIES[0] if node["leaf"] else INK,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": SURFACE, "edgecolor": MUTED, "linewidth": 0.5}, zorder=2,
        )  # fmt: skip
    axes.set(xlim=(-0.7, leaves - 0.3), ylim=(-depth - 0.5, 0.5))
    axes.xaxis.set_major_locator(NullLocator())
    return figure, f"The recovered tree, {leaves} leaves and {depth} levels deep; its text is below."


def _watch(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    watch = findings.get("watch")
    if not watch or len(watch["curve"]) < 2:
        return None
    figure = Figure(figsize=(COLUMN, 2.0))
    axes = figure.add_subplot()
    question, statistic = np.array([(point["question"], point["statistic"]) for point in watch["curve"]]).T
    axes.plot(question, statistic, color=SERIES[0], linewidth=1.2)
    axes.axhline(watch["delta"], color=MUTED, linewidth=0.7, dashes=(1, 1.5))
    if watch["alarm"] is not None:
        axes.plot(question[-1:], statistic[-1:], "o", color=SERIES[1], markersize=4)
    axes.set(xlabel="questions", ylabel="W", ylim=(min(statistic.min(), watch["delta"]) - 0.02, 1.0))
    return (
        figure,
        f"W by questions, from {number(statistic[0])} to {number(statistic[-1])}; the alarm is below {number(watch['delta'])}.",
    )


FIGURES: Mapping[str, Draw] = {
    "curve": of_findings(_curve),
    "errors": of_findings(_errors),
    "parameters": of_findings(_parameters),
    "weights": of_findings(_weights),
    "tree": of_findings(_tree),
    "watch": of_findings(_watch),
}

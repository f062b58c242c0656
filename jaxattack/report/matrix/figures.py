"""The figures of a matrix.

auc         every membership attack on every column, by the area under its curve
tpr         the same by the true-positive rate at the rate that is quoted
others      extraction and inversion on every column
pareto      what is given away against test accuracy, a point a column; and against queries, a point an attack
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.matrix.labels import put_labels
from jaxattack.report.matrix.reading import FLOOR, Cell, attacks_of, cells_at, largest_auc, quoted_rate
from jaxattack.report.style import MUTED, RULE, SERIES
from jaxattack.report.wording import percent, quantity, rate

PAGE = 6.2
_DARK, _LIGHT = "#17191d", "#fdfdfd"  # on colours that stay as they are where the page is dark
_ROW = 0.165
_LONGEST = 26
Shade = Callable[[float], float]
"""From a figure to its place in the colour map, 0 to 1."""


def _auc(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    rows = [(attack, lambda cell: cell["auc"]) for attack in attacks_of(findings, "membership")]
    top = max([cell["auc"] for cell in findings["cells"] if cell["auc"] is not None], default=None)
    if top is None:
        return None
    span = max(top - 0.5, 0.05)
    figure = _heat_map(findings, rows, lambda area: (area - 0.5) / span, _two_digits)
    return (
        figure,
        f"Heat map of AUC, {quantity(len(rows), 'membership attack')} on {quantity(len(findings['columns']), 'column')}, up to {top:.3f}.",
    )


def _tpr(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    key = quoted_rate(findings)
    if key is None:
        return None
    rows = [(attack, lambda cell: cell["tpr"] and cell["tpr"][key]) for attack in attacks_of(findings, "membership")]
    top = max(cell["tpr"][key] for cell in findings["cells"] if cell["tpr"])
    span = max(top, 2 * float(key))
    figure = _heat_map(findings, rows, lambda share: (share / span) ** 0.5, _per_cent)
    return (
        figure,
        f"Heat map of the true-positive rate at {rate(key)} false positives, in per cent, up to {percent(top)}.",
    )


def _others(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    rows = [
        (attack, lambda cell: cell["leak"])
        for family in ("extraction", "inversion")
        for attack in attacks_of(findings, family)
    ]
    if not rows:
        return None
    figure = _heat_map(findings, rows, lambda share: share, _two_digits)
    return (
        figure,
        f"Heat map of {quantity(len(rows), 'attack')} by theft or inversion, on {quantity(len(findings['columns']), 'column')}.",
    )


def _two_digits(share: float) -> str:
    text = f"{share:.2f}"
    return text[1:] if text.startswith("0") else text


def _per_cent(share: float) -> str:
    """In so few letters that three stand beside one another."""
    value = 100 * share
    if value >= 0.995:
        return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
    return _two_digits(value) if value >= 0.005 else "0"


def _heat_map(
    findings: Mapping[str, Any],
    rows: Sequence[tuple[str, Callable[[Cell], float | None]]],
    shade: Shade,
    words: Callable[[float], str],
) -> Figure:
    """Attacks by columns; a place is split where cells differ: static, adaptive, repeated, from left to right."""
    columns = [column["name"] for column in findings["columns"]]
    floor = sum(attack == FLOOR for attack, _ in rows)
    longest = max(len(_short(name)) for name in columns)
    figure = Figure(figsize=(PAGE, _ROW * (len(rows) + 1) + 0.035 * longest + 0.35))
    axes = figure.add_subplot()
    for row, (attack, value) in enumerate(rows):
        y = len(rows) - 1 - row - (0.25 if attack == FLOOR else 0.0)
        for place, defence in enumerate(columns):
            _place(axes, place, y, [value(cell) for cell in cells_at(findings, defence, attack)], shade, words)
    ticks = [len(rows) - 1 - row - (0.25 if attack == FLOOR else 0.0) for row, (attack, _) in enumerate(rows)]
    names = [f"{name} (floor)" if name == FLOOR else name for name in _row_names([attack for attack, _ in rows])]
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.5 - 0.25 * floor, len(rows) - 0.5))
    axes.set_yticks(ticks, names)
    axes.set_xticks(
        range(len(columns)), [_short(name) for name in columns], rotation=40, ha="left", rotation_mode="anchor"
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=6.5)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return figure


def _place(
    axes: Axes, x: float, y: float, values: Sequence[float | None], shade: Shade, words: Callable[[float], str]
) -> None:
    """One attack on one column: a rectangle a cell."""
    colours = matplotlib.colormaps["YlGnBu"]
    width = 0.94 / max(len(values), 1)
    for number, value in enumerate(values):
        left = x - 0.47 + number * width
        level = None if value is None else min(max(shade(value), 0.0), 1.0)
        face = "none" if level is None else to_hex(colours(0.05 + 0.85 * level))
        axes.add_patch(
            Rectangle(
                (left, y - 0.45),
                width - 0.02,
                0.9,
                facecolor=face,
                edgecolor=RULE if value is None else "none",
                linewidth=0.4,
            )
        )
        if value is None:
            axes.text(left + width / 2, y, "–", ha="center", va="center_baseline", fontsize=5, color=MUTED)
        else:
            ink = _LIGHT if (level or 0.0) > 0.6 else _DARK
            size = 5.4 if len(values) < 3 else 4.3
            axes.text(
                left + width / 2, y - 0.03, words(value), ha="center", va="center_baseline", fontsize=size, color=ink
            )


def _row_names(attacks: Sequence[str]) -> list[str]:
    """Names without settings, where that leaves them apart."""
    bases = [attack.partition("?")[0] for attack in attacks]
    return [_short(base if bases.count(base) == 1 else attack) for base, attack in zip(bases, attacks, strict=True)]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _pareto(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    points = [
        (
            column["name"],
            column["test_accuracy"]["mean"],
            largest_auc(findings, column["name"]),
            largest_auc(findings, column["name"], adaptive=False),
            column["gap"],
        )
        for column in findings["columns"]
        if column["test_accuracy"] and largest_auc(findings, column["name"]) is not None
    ]
    if not points:
        return None
    figure = Figure(figsize=(PAGE, 2.9))
    _columns_panel(figure.add_subplot(1, 2, 1), points)
    _attacks_panel(figure.add_subplot(1, 2, 2), findings)
    return (
        figure,
        f"Left, leak against test accuracy of {quantity(len(points), 'column')}; right, what attacks get for queries.",
    )


def _columns_panel(axes: Axes, points: Sequence[tuple[str, float, Any, Any, Any]]) -> None:
    for number, (_, x, adaptive, static, gap) in enumerate(points):
        with_label = number == 0
        if static is not None:
            axes.plot([100 * x, 100 * x], [static, adaptive], color=RULE, linewidth=0.8, zorder=1)
            axes.plot(
                100 * x, static, "o", markersize=4, markerfacecolor="none", markeredgecolor=SERIES[0], zorder=2,
                label="best static attack" if with_label else None,
            )  # fmt: skip
        axes.plot(
            100 * x, adaptive, "o", markersize=4, color=SERIES[0], zorder=3, label="best attack" if with_label else None
        )
        if gap is not None:
            axes.plot(
                100 * x,
                gap,
                "_",
                markersize=6,
                color=SERIES[1],
                zorder=2,
                label="gap, the floor" if with_label else None,
            )
    axes.axhline(0.5, color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)))
    axes.set(xlabel="test accuracy (%)", ylabel="AUC of membership")
    _frame(axes)
    nameless = [(100 * x, y) for _, x, _, static, gap in points for y in (static, gap) if y is not None]
    put_labels(axes, [(100 * x, adaptive, _short(name)) for name, x, adaptive, _, _ in points], nameless)


def _frame(axes: Axes) -> None:
    """Room for names beside the points, and the legend above."""
    axes.margins(x=0.22, y=0.12)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, handlelength=1.2, columnspacing=1.2, borderaxespad=0.0
    )


def _attacks_panel(axes: Axes, findings: Mapping[str, Any]) -> None:
    """Every attack on the undefended column."""
    first = findings["columns"][0]["name"]
    kinds = (
        ("membership, one model", "o", SERIES[0], lambda cell: cell["family"] == "membership" and cell["models"] == 1),
        ("membership, references", "s", SERIES[1], lambda cell: cell["family"] == "membership" and cell["models"] > 1),
        ("extraction", "^", SERIES[2], lambda cell: cell["family"] == "extraction"),
        ("inversion", "D", SERIES[3], lambda cell: cell["family"] == "inversion"),
    )
    labels, markers = [], []
    for words, marker, colour, belongs in kinds:
        cells = [
            cell for cell in findings["cells"]
            if cell["defence"] == first and cell["leak"] is not None and not cell["reason"] and belongs(cell)
        ]  # fmt: skip
        if not cells:
            continue
        x = [max(cell["queries"] or 0, 1) for cell in cells]
        y = [cell["leak"] for cell in cells]
        axes.plot(x, y, marker, markersize=3.5, color=colour, label=words, markeredgewidth=0)
        markers += zip(x, y, strict=True)
        best = {max(range(len(cells)), key=lambda at: y[at]), max(range(len(cells)), key=lambda at: x[at])}
        labels += [(x[at], y[at], _short(cells[at]["attack"].partition("?")[0])) for at in sorted(best)]
    axes.set(xscale="log", xlabel="queries of a target", ylabel="AUC, agreement, recognised")
    _frame(axes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    put_labels(axes, labels, markers)


FIGURES: Mapping[str, Draw] = {
    "auc": of_findings(_auc),
    "tpr": of_findings(_tpr),
    "others": of_findings(_others),
    "pareto": of_findings(_pareto),
}

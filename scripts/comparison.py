"""Our figures beside published ones: a table, figures for a paper, and the results kept as JSON.

All rates are pooled: the scores of all targets stand on one curve, behind one threshold. 25,000 non-members of one target
cannot resolve a false-positive rate of 0.001%; those of 256 targets allow 64 false positives. The spread is the standard
deviation over targets or, where one target does not resolve a rate, over disjoint groups of targets that do.
"""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

from jaxattack.disk import make_folder, write_atomically, write_json
from jaxattack.report.membership.figures import roc
from jaxattack.report.style import DASHES, INK, MUTED, SERIES
from jaxattack.report.wording import duration, percent, points, rate, size

COLUMNS = {"auc": "AUC", "balanced_accuracy": "bal. acc.", "0.001": "@0.1%", "0.0001": "@0.01%", "0.00001": "@0.001%"}
"""The figures that are compared: names as in the findings, and as heads of columns."""
FEW = 10
MARKERS = "ooooooDvsP"
"""Of lines: those beyond the colours that there are have another marker and another dash."""
TALLEST = 2.5
QUOTED = "0.001"

Range = tuple[float, float]
Expected = Mapping[str, Mapping[str, Range]]
Entry = Mapping[str, Any]


class Published(NamedTuple):
    """A published row.

    Attributes:
        source: who, and with what.
        attack: ours of the same kind.
        figures: shares, by the keys of `COLUMNS`.
    """

    source: str
    attack: str
    figures: Mapping[str, float]


class Panel(NamedTuple):
    """A curve of the true-positive rate at a false-positive rate against one thing.

    Attributes:
        label: of the horizontal axis.
        key: of the points, the thing itself.
        lines: points by the attack's label; each has ``key``, ``tpr`` and ``tpr_interval``.
        rate: of false positives, as the findings name it; 0.1% by default.
    """

    label: str
    key: str
    lines: Mapping[str, Sequence[Entry]]
    rate: str = QUOTED


def comparison(
    title: str,
    entries: Mapping[str, Entry],
    labels: Mapping[str, str],
    *,
    targets: int,
    published: Sequence[Published] = (),
    expected: Expected | None = None,
) -> Table:
    """Our rows, under each the published ones of its kind, and what is expected here.

    Args:
        title: of the table.
        entries: attacks of the findings by name.
        labels: which of them are shown, by name, and as what.
        targets: how many models were attacked.
        published: rows of papers.
        expected: ranges by attack and column, both ends included.
    """
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    made.add_column("")
    for head in COLUMNS.values():
        made.add_column(head, justify="right", no_wrap=True)
    for name, label in labels.items():
        made.add_row(label, *(cell(entries[name], column, targets) for column in COLUMNS), style="bold")
        for row in (row for row in published if row.attack == name):
            made.add_row(f"  {row.source}", *(_figure(column, row.figures.get(column)) for column in COLUMNS))
        if ranges := (expected or {}).get(name):
            made.add_row("  expected", *(_range(column, ranges.get(column)) for column in COLUMNS), style="italic")
    made.caption = (
        "bal. acc.: balanced accuracy. @: members found (%), at most this share of the non-members accused; all targets "
        "pooled behind one threshold. ±: standard deviation over targets. \\[low, high]: where one target does not "
        f"resolve the rate, the 95% interval over records and models. (n): false positives, where fewer than {FEW}. n/r: not resolvable."
    )
    made.caption_justify = "left"
    return made


def cell(entry: Entry, column: str, targets: int) -> str:
    """A figure of an attack, with its spread over targets or, where these do not resolve it, its interval."""
    if column not in entry["tpr"]:
        return _figure(column, entry[column]) + _spread(entry["per_target"][column]["sd"], 1, 3)
    if not entry["resolvable"][column]:
        return "n/r"
    few = entry["false_positives"][column]
    if float(column) * entry["roc"]["negatives"] / targets >= 1:
        spread = _spread(entry["per_target"]["tpr"][column]["sd"], 100, 2)
    else:
        low, high = entry["tpr_interval"][column]
        spread = f" [{points(low)}, {points(high)}]"
    text = points(entry["tpr"][column]) + spread
    return f"{text} ({few})" if few < FEW else text


def _figure(column: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if column in ("auc", "balanced_accuracy") else points(value)


def _spread(sd: float | None, scale: float, decimals: int) -> str:
    return "" if sd is None else f" ± {scale * sd:.{decimals}f}"


def _range(column: str, limits: Range | None) -> str:
    if limits is None:
        return ""
    low, high = limits
    return f"≥ {_figure(column, low)}" if high == 1 else f"{_figure(column, low)} to {_figure(column, high)}"


def outside(entries: Mapping[str, Entry], expected: Expected) -> list[str]:
    """A sentence for every figure that is not in its expected range."""
    told = []
    for name, ranges in expected.items():
        for column, (low, high) in ranges.items():
            entry = entries[name]
            value = entry["tpr"][column] if column in entry["tpr"] else entry[column]
            if not low <= value <= high:
                told.append(
                    f"{name}, {COLUMNS[column]}: {_figure(column, value)}, expected {_range(column, (low, high))}."
                )
    return told


def points_table(panel: Panel, published: Mapping[int, float] | None = None) -> Table:
    """A panel in numbers: true-positive rates at its rate of false positives, in percent.

    Args:
        panel: what is shown.
        published: a paper's rates by the panel's key.
    """
    counts = sorted({point[panel.key] for points_ in panel.lines.values() for point in points_} | set(published or ()))
    made = Table(
        title=f"TPR at {rate(panel.rate)} FPR (%) by {panel.label}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    made.add_column("")
    for count in counts:
        made.add_column(str(count), justify="right")
    for label, drawn in panel.lines.items():
        found = {point[panel.key]: point["tpr"][panel.rate] for point in drawn}
        made.add_row(label, *(_figure(panel.rate, found.get(count)) for count in counts), style="bold")
    if published:
        made.add_row("  published", *(_figure(QUOTED, published.get(count)) for count in counts))
    return made


def told(results: Mapping[str, Any]) -> list[str]:
    """The victims, the cost, and what is not as expected, a line each."""
    n, victims, seconds = results["n"], results["victims"], results["seconds"]
    phases = ", ".join(f"{phase} {duration(value)}" for phase, value in seconds.items())
    fitted, others = (percent(victims[key]["mean"]) for key in ("train_accuracy", "test_accuracy"))
    lines = [
        f"{n['models']} models, right about {fitted} of their {n['members']:,.0f} members and {others} of the others.",
        f"{n['scores_of_members']:,} scores of members and {n['scores_of_non_members']:,} of non-members are pooled.",
        f"{results['device']}: {phases}; at most {size(results['memory_bytes'])}.",
    ]
    checked = sum(len(ranges) for ranges in results["expected"].values())
    if checked:
        lines.append(f"{checked - len(results['outside'])} of {checked} figures are in their expected range.")
    return [*lines, *results["outside"]]


def roc_figure(entries: Mapping[str, Entry], labels: Mapping[str, str], published: Sequence[Published] = ()) -> Figure:
    """The ROC on logarithmic axes, and published true-positive rates as rings of the colour of their attack.

    Args:
        entries: attacks of the findings by name.
        labels: which are drawn, at most six and ``loss``, and as what; the strongest stands out.
        published: rows of papers.
    """
    shown = [{**entries[name], "name": label} for name, label in labels.items()]
    shown = sorted(shown, key=lambda entry: entry["tpr"][QUOTED], reverse=True)
    figure = roc(shown)
    axes = figure.axes[0]
    colours = {entry["name"]: line.get_color() for entry, line in zip(shown, axes.lines, strict=False)}
    for row in published:
        if row.attack in labels:
            rates = {
                float(column): value for column, value in row.figures.items() if column in entries[row.attack]["tpr"]
            }
            axes.plot(
                list(rates), list(rates.values()), linestyle="", marker="o", markersize=4, markerfacecolor="none",
                markeredgewidth=0.9, color=colours[labels[row.attack]], zorder=4,
            )  # fmt: skip
    if published:
        axes.annotate("rings: published", (0.02, 0.97), xycoords="axes fraction", va="top", color=MUTED, fontsize=6.5)
    return figure


def curves_figure(panels: Sequence[Panel]) -> Figure:
    """The panels side by side, on one vertical axis where they are of one rate, with the intervals of their points.

    An interval is cut off at `TALLEST` times the largest rate, so that lines can be told apart.
    """
    figure = Figure(figsize=(2.3 * len(panels) + 0.3, 2.3))
    alike = len({panel.rate for panel in panels}) == 1
    every = figure.subplots(1, len(panels), sharey=alike, squeeze=False)[0]
    styles = {}
    for panel in panels:
        for name in panel.lines:
            styles.setdefault(name, len(styles))
    for axes, panel in zip(every, panels, strict=True):
        for name, drawn in panel.lines.items():
            _line(axes, panel, drawn, name, styles[name])
        counts = sorted({point[panel.key] for drawn in panel.lines.values() for point in drawn})
        axes.axhline(100 * float(panel.rate), color=MUTED, linewidth=0.7, dashes=(1, 1.5))
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(counts))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel(panel.label)
    for axes, panel in zip(every[:1] if alike else every, panels, strict=False):
        shown = panels if alike else [panel]
        largest = max(p["tpr"][one.rate] for one in shown for drawn in one.lines.values() for p in drawn)
        top = min(axes.get_ylim()[1], 100 * TALLEST * largest)
        axes.set_ylim(0, top or 1)  # after all are drawn: it ends the search for the top
        axes.set_ylabel(f"TPR at {rate(panel.rate)} FPR (%)")
    handles = {label: line for axes in every for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    columns = len(handles) if len(handles) <= len(SERIES) else (len(handles) + 1) // 2
    figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=columns, labelcolor=INK)
    return figure


def _line(axes: Axes, panel: Panel, drawn: Sequence[Entry], name: str, style: int) -> None:
    x = [point[panel.key] for point in drawn]
    low, high = zip(*(point["tpr_interval"][panel.rate] for point in drawn), strict=True)
    colour = (*SERIES, INK)[style % (len(SERIES) + 1)]
    axes.fill_between(x, [100 * v for v in low], [100 * v for v in high], color=colour, alpha=0.15, linewidth=0)
    y = [100 * point["tpr"][panel.rate] for point in drawn]
    dash = DASHES[style % len(DASHES)]
    axes.plot(x, y, marker=MARKERS[style], markersize=2.5, color=colour, linestyle=dash, label=name)


def save_figure(folder: Path, name: str, figure: Figure) -> None:
    """A figure as PDF and as PNG; to be called where it was drawn, within `styled`."""
    make_folder(folder)
    for suffix, metadata in (
        ("pdf", {"CreationDate": None, "Creator": None, "Producer": None}),
        ("png", {"Software": None}),
    ):
        made = io.BytesIO()
        with matplotlib.rc_context({"pdf.fonttype": 42}):  # some journals refuse Type 3 fonts
            figure.savefig(made, format=suffix, metadata=metadata, dpi=300)
        write_atomically(folder / f"{name}.{suffix}", lambda file, made=made: file.write(made.getvalue()) and None)


def keep(folder: Path, name: str, results: Mapping[str, Any], shown: Sequence[RenderableType]) -> None:
    """Print what was found; write it as NAME.txt, and the results as NAME.json."""
    command = said(sys.argv)
    console = Console(record=True, width=120, highlight=False)
    for part in shown:
        console.print(part)
    make_folder(folder)
    text = f"$ {command}\n\n{console.export_text()}".encode()
    write_atomically(folder / f"{name}.txt", lambda file: file.write(text) and None)
    write_json(folder / f"{name}.json", {"name": name, "command": command, **results})


def said(arguments: Sequence[str]) -> str:
    """The command as anybody would type it: files by their name alone."""
    script, *others = arguments
    parts = [part.rpartition("=") for part in others]
    names = [
        f"{option}{equals}{Path(value).name if Path(value).exists() else value}" for option, equals, value in parts
    ]
    return shlex.join(["python", f"scripts/{Path(script).name}", *names])

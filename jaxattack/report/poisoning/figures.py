"""The figures of a poisoning.

shares     accuracy, and the success of attacks that are after something, against the share of poison
filters    the same behind a filter of the training set, as far as some was tried
bound      what no poison can exceed on a linear model behind a filter, and what some reaches
gallery    poison records beside the records that they were made of
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jaxattack.report.kind import Draw, Pictures, of_findings
from jaxattack.report.pictures import grid
from jaxattack.report.poisoning.reading import short_names
from jaxattack.report.style import COLUMN, DASHES, MUTED, SERIES, WIDE
from jaxattack.report.wording import percent, rate

Values = Mapping[str, Any]


def _shares(findings: Values) -> tuple[Figure, str] | None:
    return _panels(findings, None)


def _filters(findings: Values) -> tuple[Figure, str] | None:
    names = [clean["sanitise"] for clean in findings["clean"] if clean["sanitise"]]
    return _panels(findings, names[-1]) if names else None


def _panels(findings: Values, sanitise: str | None) -> tuple[Figure, str]:
    """Accuracy and success, side by side; behind a filter the shares without it are drawn faintly."""
    after = [attack for attack in findings["attacks"] if _points(attack, None, "success")]
    figure = Figure(figsize=(WIDE if after else COLUMN, 2.6))
    clean = next(clean for clean in findings["clean"] if clean["sanitise"] == sanitise)
    axes = figure.add_subplot(1, 2 if after else 1, 1)
    axes.axhline(clean["accuracy"]["value"], color=MUTED, linewidth=0.8)
    names = short_names(findings["attacks"])
    alt = [_draw(axes, attack, names, sanitise, "accuracy") for attack in findings["attacks"]]
    _finish(axes, findings, "accuracy")
    if after:
        axes = figure.add_subplot(1, 2, 2)
        alt += [_draw(axes, attack, names, sanitise, "success") for attack in after]
        axes.set_ylim(-0.03, 1.03)
        _finish(axes, findings, "success")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=max(1, min(len(labels), int((70 if after else 45) / (5 + max(map(len, labels)))))),
    )
    words = f"behind {sanitise}" if sanitise else "against the share of poison"
    return figure, f"Accuracy{' and success' if after else ''} {words}: {'; '.join(alt)}."


def _points(attack: Values, sanitise: str | None, figure: str) -> list[Values]:
    return [point for point in attack["points"] if point["sanitise"] == sanitise and point[figure] is not None]


def _draw(axes: Axes, attack: Values, names: Mapping[str, str], sanitise: str | None, figure: str) -> str:
    """One attack's line with its interval; what it shows in words."""
    points, name, number = _points(attack, sanitise, figure), names[attack["name"]], [*names].index(attack["name"])
    x = [point["share"] for point in points]
    y = [point[figure]["value"] for point in points]
    ends = [point[figure]["interval"] for point in points]
    colour, dashes = SERIES[number % len(SERIES)], DASHES[(number + number // len(SERIES)) % len(DASHES)]
    if sanitise:
        plain = [(point["share"], point[figure]["value"]) for point in _points(attack, None, figure)]
        axes.plot(*zip(*plain, strict=True), color=colour, linewidth=0.7, alpha=0.4)
    low, high = zip(*ends, strict=True)
    axes.plot(x, y, color=colour, linestyle=dashes, marker="o", markersize=2.5, linewidth=1.2, label=name)
    axes.vlines(x, low, high, color=colour, linewidth=0.8, alpha=0.6)
    return f"{name}, {figure} {percent(y[-1])} at {rate(x[-1])}"


def _finish(axes: Axes, findings: Values, what: str) -> None:
    shares = sorted({point["share"] for attack in findings["attacks"] for point in attack["points"]})
    if len(shares) > 1:
        axes.set_xscale("log")
    axes.set_xticks(shares, [f"{100 * share:g}%" for share in shares])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set(xlabel="share of poison", ylabel=what)


def _bound(findings: Values) -> tuple[Figure, str] | None:
    if not findings["bound"]:
        return None
    points = findings["bound"]["points"]
    figure = Figure(figsize=(COLUMN, 2.5))
    axes = figure.add_subplot()
    x = [point["share"] for point in points]
    lines = (
        ("bound", "bound on the hinge loss"),
        ("loss", "hinge loss reached"),
        ("held_out_error", "error reached, held out"),
    )
    for (key, words), colour, dashes in zip(lines, SERIES, DASHES, strict=False):
        axes.plot(
            x, [point[key] for point in points], label=words, color=colour, linestyle=dashes, marker="o", markersize=2.5,
            linewidth=1.2,
        )  # fmt: skip
    axes.set(xlabel="share of poison", ylabel="mean over records", ylim=(0, None))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.legend()
    last = points[-1]
    return figure, (
        f"At {rate(last['share'])} of poison the bound is {last['bound']:.3f}, the loss reached {last['loss']:.3f} and the error on "
        f"records held out {percent(last['held_out_error'])}."
    )


def _gallery(findings: Values, pictures: Pictures) -> tuple[Figure, str] | None:
    entries = [entry for entry in findings["gallery"] if entry["poison"] in pictures]
    if not entries:
        return None
    rows = [[pictures.get(entry["source"]) for entry in entries], [pictures[entry["poison"]] for entry in entries]]
    names = short_names(findings["attacks"])
    short = [names[entry["attack"]].replace("-", "-\n") for entry in entries]
    titles = [f"{name}\n→ {entry['label']}" for name, entry in zip(short, entries, strict=True)]
    words = ", ".join(f"{entry['attack']} with label {entry['label']}" for entry in entries)
    return grid(rows, ["made of", "poison"], titles), f"{len(entries)} poison records: {words}."


FIGURES: Mapping[str, Draw] = {
    "shares": of_findings(_shares),
    "filters": of_findings(_filters),
    "bound": of_findings(_bound),
    "gallery": _gallery,
}

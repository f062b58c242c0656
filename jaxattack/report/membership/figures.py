"""The figures of a report, each from the findings alone.

roc             true- against false-positive rate on logarithmic axes (Carlini et al. 2022)
tpr_by_models   what more reference models buy
poison          what copies with a wrong label raise (`jaxattack.report.membership.poison`)
histograms      the scores of members and of non-members
vulnerable      the records given away most surely, where they are images
vulnerability   all records by how surely they are given away
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.membership.poison import draw_poison
from jaxattack.report.membership.reading import attacks_to_draw, baseline, quoted_rate
from jaxattack.report.style import COLUMN, DASHES, INK, MUTED, RULE, SERIES, SURFACE, WIDE
from jaxattack.report.wording import number, percent, points, rate

LOWEST = 1e-5
_ACROSS = 8
_LONGEST = 28
INSIDE = 5
"""Lines of a legend that has room within the axes."""
_LEGEND: dict[str, Any] = {
    "loc": "lower right", "labelcolor": "linecolor", "handlelength": 2.2, "labelspacing": 0.2, "borderaxespad": 0.1,
    "frameon": True, "facecolor": SURFACE, "edgecolor": "none", "framealpha": 0.9,
}  # fmt: skip


def _roc(findings: Mapping[str, Any]) -> tuple[Figure, str]:
    attacks, chosen = attacks_to_draw(findings), "chosen" in findings
    figure = roc(attacks, whole=chosen, own=None if chosen else findings["calibration"])
    return figure, _roc_in_words(findings, attacks)


def _own_thresholds(axes: Axes, calibration: Mapping[str, Any], left: float) -> None:
    """What a threshold a record finds, from the lowest rate that it resolves."""
    label = f"phi, a threshold a record (AUC {calibration['auc']:.3f})"
    x, y = (curve[1:] for curve in _steps(calibration["roc"], left))
    axes.plot(x, y, color=INK, linewidth=0.8, linestyle=(0, (1, 1)), label=label)


def _put_legend(figure: Figure, axes: Axes) -> None:
    """In the corner that curves leave free; below the axes where so many lines would cover some of them."""
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) <= INSIDE:
        axes.legend(**_LEGEND)
        return
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.125 * len(labels))
    figure.legend(handles, labels, **{**_LEGEND, "loc": "outside lower left", "borderaxespad": 0.4})


def roc(
    attacks: Sequence[Mapping[str, Any]], *, bands: int = 1, whole: bool = False, own: Mapping[str, Any] | None = None
) -> Figure:
    """ROC curves on logarithmic axes, the first of them with the band of 95% intervals over records and models.

    To be called, and saved, within `jaxattack.report.style.styled`.

    Args:
        attacks: one to six entries of the findings' ``attacks``, the most important first.
        bands: how many of them have their band drawn.
        whole: whether long names are written out.
        own: what a threshold of each record's own finds (`jaxattack.audit.findings.membership_attack.CalibrationFindings`).

    Returns:
        A figure of a paper's column; its only axes show rates as shares.
    """
    negatives = max(attack["roc"]["negatives"] for attack in attacks)
    left = min(max(LOWEST, 10.0 ** math.floor(math.log10(1 / negatives) + 1e-9)), 0.1)
    figure = Figure(figsize=(COLUMN, 3.25))
    axes = figure.add_subplot()
    for index, (attack, line) in enumerate(zip(attacks, _lines(attacks), strict=True)):
        x, y = _steps(attack["roc"], left)
        if index < bands:
            _band(axes, attack, line["color"], left)
        axes.plot(
            x,
            y,
            drawstyle="steps-post",
            label=f"{attack['name'] if whole else _short(attack['name'])} (AUC {attack['auc']:.3f})",
            **line,
        )
    axes.plot([left, 1], [left, 1], label="guessing", color=MUTED, linewidth=0.7, linestyle=(0, (1, 1.5)))
    if own is not None:
        _own_thresholds(axes, own, left)
    _mark_unresolvable(axes, left, 1 / negatives)
    axes.set(xscale="log", yscale="log", xlim=(left, 1), ylim=(left, 1), box_aspect=1)
    axes.set(xlabel="false-positive rate (%)", ylabel="true-positive rate (%)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
        axis.set_minor_formatter(NullFormatter())
    _put_legend(figure, axes)
    return figure


def _short(name: str) -> str:
    """A name that leaves room for the curves."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _lines(attacks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How the curves look, the same in every figure: the strongest heavy and on top, the loss threshold grey."""
    styles = zip(SERIES, DASHES, strict=True)
    lines = []
    for index, attack in enumerate(attacks):
        grey = index > 0 and attack["name"] == "loss"
        colour, dashes = (MUTED, (0, (2, 1.5))) if grey else next(styles)
        lines.append(
            {"color": colour, "linestyle": dashes, "linewidth": 1.0 if index else 1.6, "zorder": 3 - index / 10}
        )
    return lines


def _band(axes: Axes, attack: Mapping[str, Any], colour: str, left: float) -> None:
    """Shade where the curve of new records and new models would run, at each point in 95% of audits."""
    x, low, high = (np.maximum(np.asarray(attack["band"][part], float), left / 10) for part in ("fpr", "low", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)


def _steps(roc: Mapping[str, Any], left: float) -> tuple[Float[np.ndarray, "point"], ...]:
    """A curve as steps: false- and true-positive rate.

    Zero has no place on a logarithmic axis: it is put below the axes' lower end `left`.
    """
    fp, tp = np.asarray(roc["false_positives"]), np.asarray(roc["true_positives"])
    tail = slice(int(np.searchsorted(fp, 0, side="right")) - 1, None)
    curves = (fp[tail] / roc["negatives"], tp[tail] / roc["positives"])
    return tuple(np.maximum(curve, left / 10) for curve in curves)


def _mark_unresolvable(axes: Axes, left: float, one: float) -> None:
    """Shade where fewer than one non-member would be accused; `one` is the rate of exactly one."""
    if one <= left * 1.001:
        return
    axes.axvspan(left, one, color=RULE, alpha=0.45, linewidth=0, zorder=0.5)
    # Words over the axes would be cut off: a square box and a legend outside leave no layout that holds them.
    axes.axvline(one, label="one false positive; shaded: fewer", color=MUTED, linewidth=0.7, linestyle=(0, (4, 2)))


def _roc_in_words(findings: Mapping[str, Any], attacks: Sequence[Mapping[str, Any]]) -> str:
    quoted = quoted_rate(findings)
    names = [f"{attack['name']} {percent(attack['tpr'][quoted])}" if quoted else attack["name"] for attack in attacks]
    at = f" True-positive rate at a false-positive rate of {rate(quoted)}: " if quoted else " Attacks: "
    return f"ROC curves on logarithmic axes, with the diagonal of guessing.{at}{', '.join(names)}."


def _tpr_by_models(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    quoted = quoted_rate(findings)
    attacks = attacks_to_draw(findings)
    lines = [(attack, line) for attack, line in zip(attacks, _lines(attacks), strict=True) if attack["by_models"]]
    counts = sorted({entry["models"] for attack, _ in lines for entry in attack["by_models"]})
    if len(counts) < 2 or not quoted:
        return None
    figure = Figure(figsize=(COLUMN, 2.5))
    axes = figure.add_subplot()
    ends = []
    for attack, line in lines:
        x = [entry["models"] for entry in attack["by_models"]]
        y = [np.nan if entry["tpr"][quoted] is None else 100 * entry["tpr"][quoted] for entry in attack["by_models"]]
        axes.plot(x, y, marker="o", markersize=2.5, **line)
        ends.append((x[-1], y[-1], _short(attack["name"]), line["color"]))
    axes.axhline(100 * float(quoted), color=MUTED, linewidth=0.7, dashes=(1, 1.5))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(_apart(counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(bottom=0)
    axes.set(xlabel="models (log scale)", ylabel=f"TPR at {rate(quoted)} FPR (%)")
    _label_ends(axes, ends)
    rates = [f"{name} {points(y / 100)}%" for _, y, name, _ in ends if np.isfinite(y)]
    alt = f"True-positive rate at a false-positive rate of {rate(quoted)} against the number of models, {counts[0]} to {counts[-1]}."
    return figure, f"{alt} With the most models: {', '.join(rates)}."


def _apart(counts: Sequence[int]) -> list[int]:
    """Of ascending counts, those that can be labelled beside one another on a base-2 axis; the last one always."""
    ticks = [counts[-1]]
    for value in reversed(counts[:-1]):
        if math.log2(ticks[-1] / value) >= max(0.6, math.log2(counts[-1] / counts[0]) / 12):
            ticks.append(value)
    return ticks[::-1]


def _label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Name each curve at its right end, moved apart where names would overlap."""
    bottom, top = axes.get_ylim()
    gap, place = (top - bottom) * 0.065, -math.inf
    for x, y, name, colour in sorted((end for end in ends if math.isfinite(end[1])), key=lambda end: end[1]):
        place = max(y, place + gap)
        axes.annotate(
            name, (x, place), xytext=(5, 0), textcoords="offset points", color=colour, va="center", fontsize=6.5,
            annotation_clip=False,
        )  # fmt: skip


def _histograms(findings: Mapping[str, Any]) -> tuple[Figure, str]:
    attacks = attacks_to_draw(findings)
    floor = baseline(findings)
    if "chosen" not in findings:
        attacks = attacks[:2]
    if "chosen" not in findings and floor is not None and floor not in attacks:
        attacks = [*attacks, floor]
    figure = Figure(figsize=(WIDE if len(attacks) > 1 else COLUMN, 2.0))
    panels = figure.subplots(1, len(attacks), sharey=True, squeeze=False)[0]
    for axes, attack in zip(panels, attacks, strict=True):
        _histogram(axes, attack["histogram"])
        axes.set_title(_short(attack["name"]), loc="left")
        axes.set_xlabel("score")
    panels[0].set_ylabel("scores (%, log scale)")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, handlelength=1.6, borderaxespad=0.1
    )
    names = ", ".join(attack["name"] for attack in attacks)
    return figure, f"Histograms of the scores of members and of non-members, one panel an attack: {names}."


def _histogram(axes: Axes, histogram: Mapping[str, Any]) -> None:
    edges = np.asarray(histogram["edges"])
    member, other = np.asarray(histogram["member"]), np.asarray(histogram["non_member"])
    least = 50 / max(member.sum(), other.sum(), 1)
    for counts, style in (
        (other, {"color": MUTED, "label": "non-members", "linewidth": 0.9, "linestyle": (0, (3, 1))}),
        (member, {"color": SERIES[0], "label": "members", "linewidth": 1.2}),
    ):
        # Empty bins go below the axis, so that their line is out of sight.
        share = np.maximum(100 * counts / max(counts.sum(), 1), least / 10)
        axes.stairs(share, edges, baseline=least / 10, **style)
    axes.stairs(share, edges, baseline=least / 10, fill=True, color=SERIES[0], alpha=0.15)
    axes.set_yscale("log")
    axes.set_ylim(bottom=least)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _vulnerable(
    findings: Mapping[str, Any], pictures: Mapping[int, UInt8[np.ndarray, "height width channel"]]
) -> tuple[Figure, str] | None:
    records = [entry for entry in findings["vulnerable"]["records"] if entry["record"] in pictures]
    if not records:
        return None
    brightest = max(int(pictures[entry["record"]].max()) for entry in records)
    across = min(len(records), _ACROSS)
    rows = math.ceil(len(records) / across)
    figure = Figure(figsize=(WIDE * across / _ACROSS, 0.82 * rows))
    for index, entry in enumerate(records):
        axes = figure.add_subplot(rows, across, index + 1)
        picture = np.asarray(pictures[entry["record"]])
        colour = picture.shape[-1] in (3, 4)
        axes.imshow(
            picture if colour else picture[..., 0], cmap="gray", vmin=0, vmax=max(brightest, 1), interpolation="nearest"
        )
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(f"label {entry['label']}", fontsize=6.5, pad=2)
        axes.set_xlabel(number(entry["vulnerability"], 2), fontsize=6.5, labelpad=2)
    sentence = "; ".join(
        f"record {e['record']}, label {e['label']}, {number(e['vulnerability'], 2)}" for e in records[:5]
    )
    return (
        figure,
        f"The {len(records)} most vulnerable records as images, with label and vulnerability. The first: {sentence}.",
    )


def _vulnerability(findings: Mapping[str, Any]) -> tuple[Figure, str]:
    counts, edges = np.asarray(findings["vulnerability"]["count"]), np.asarray(findings["vulnerability"]["edges"])
    figure = Figure(figsize=(COLUMN, 1.9))
    axes = figure.add_subplot()
    heights = np.maximum(counts, 0.05)
    axes.stairs(heights, edges, baseline=0.05, fill=True, color=SERIES[0], alpha=0.3)
    axes.stairs(heights, edges, baseline=0.05, color=SERIES[0], linewidth=1.0)
    axes.axvline(0.5, color=INK, linewidth=0.7, dashes=(1, 1.5))
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5, top=max(2.0, 2.2 * float(counts.max(initial=1))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="vulnerability (0.5: nothing shows, 1: always shows)", ylabel="records (log scale)")
    certain = int(counts[edges[:-1] >= 0.9 - 1e-9].sum())
    return (
        figure,
        f"How vulnerable each record is; {certain} of {counts.sum()} records at 0.9 or above.",
    )


FIGURES: Mapping[str, Draw] = {
    "roc": of_findings(_roc),
    "tpr_by_models": of_findings(_tpr_by_models),
    "poison": of_findings(draw_poison),
    "histograms": of_findings(_histograms),
    "vulnerable": _vulnerable,
    "vulnerability": of_findings(_vulnerability),
}

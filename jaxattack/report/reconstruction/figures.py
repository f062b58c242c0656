"""The figures of a reconstruction, from the findings and the pictures that they number.

gallery      records, what was made of them, and the nearest other record
errors       of records: how far each reconstruction is from its record, and how far the nearest other record
shares       of a property: the estimated against the true share
comparisons  of attributes and labels: the attack and its baselines, with their intervals
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxattack.report.kind import Draw, Pictures, of_findings
from jaxattack.report.pictures import grid
from jaxattack.report.style import COLUMN, MUTED, SERIES, WIDE, label_logarithmic
from jaxattack.report.wording import percent, small


def _gallery(findings: Mapping[str, Any], pictures: Pictures) -> tuple[Figure, str] | None:
    entries = [entry for entry in findings["gallery"] if entry["truth"] in pictures]
    if not entries:
        return None
    rows = [("record", "truth"), ("made", "made"), ("nearest", "nearest")]
    figure = grid(
        [[None if entry[key] is None else pictures[entry[key]] for entry in entries] for _, key in rows],
        [words for words, _ in rows],
        [str(entry["target"]) for entry in entries],
        stretched={1} if findings["attack"]["goal"] == "records" else (),
    )
    targets = ", ".join(str(entry["target"]) for entry in entries)
    return figure, f"The records {targets}, their reconstructions, and the nearest other record of each."


def _errors(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    if findings["attack"]["goal"] not in ("record", "records"):
        return None
    targets = [target for target in findings["targets"] if target["error"] is not None]
    if not targets:
        return None
    alike = findings["attack"]["goal"] == "records"
    error, other = (np.array([target[key] for target in targets], float) for key in ("error", "baseline"))
    floor = 1e-3 * min(other[other > 0].min(initial=1.0), 1.0) if alike else 1e-12
    error, other = np.maximum(error, floor), np.maximum(other, floor)
    figure = Figure(figsize=(COLUMN, 2.6))
    axes = figure.add_subplot()
    across, up = (_limits(values) for values in (other, np.append(error, other)))
    axes.plot(across, across, color=MUTED, linewidth=0.8, zorder=1)
    member = np.array([target["member"] is not False for target in targets])
    for side, words, colour, mark in ((member, "members", SERIES[0], "o"), (~member, "others", SERIES[1], "x")):
        if side.any():
            words = words if not member.all() else "targets"
            axes.plot(
                other[side], error[side], mark, color=colour, markersize=3, linestyle="none", label=words, alpha=0.8
            )
    unit = "1 - correlation" if alike else "mean square error"
    axes.set(xscale="log", yscale="log", xlim=across, ylim=up)
    for axis, (low, high) in ((axes.xaxis, across), (axes.yaxis, up)):
        label_logarithmic(axis, small, np.log10(high / low))
    axes.set(xlabel=f"{unit}, nearest other record", ylabel=f"{unit}, reconstruction")
    figure.legend(loc="outside upper left", ncols=2, handletextpad=0.2)
    closer = float((error < other).mean())
    return figure, f"Reconstructions against nearest other records: {percent(closer)} lie below the diagonal."


def _limits(values: np.ndarray) -> tuple[float, float]:
    """The values with a factor of two on either side."""
    return float(values.min()) / 2, float(values.max()) * 2


def _shares(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    if findings["attack"]["goal"] != "property":
        return None
    true, value = (np.array([target[key] for target in findings["targets"]], float) for key in ("truth", "value"))
    figure = Figure(figsize=(COLUMN, 2.6))
    axes = figure.add_subplot()
    axes.plot((0, 1), (0, 1), color=MUTED, linewidth=0.8)
    axes.axhline(0.5, color=SERIES[1], linewidth=0.8, linestyle=(0, (5, 1.2)), label="guess without the model")
    axes.plot(true, value, "o", color=SERIES[0], markersize=3, linestyle="none", label="attack", alpha=0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="true share", ylabel="estimated share")
    figure.legend(loc="outside upper left", ncols=2)
    error = findings["comparisons"][0]["attack"]["value"]
    return figure, f"Estimated against true shares: mean absolute error {percent(error)} of the records."


def _comparisons(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    if findings["attack"]["goal"] not in ("attribute", "label"):
        return None
    rows = findings["comparisons"]
    figure = Figure(figsize=(WIDE, 0.34 * len(rows) + 0.9))
    axes = figure.add_subplot()
    for at, row in enumerate(rows):
        for side, lift, colour, mark, words in (
            ("attack", -0.13, SERIES[0], "o", "attack"), ("baseline", 0.13, SERIES[1], "s", "the other side"),
        ):  # fmt: skip
            part = row[side]
            if part["value"] is None:
                continue
            axes.plot((part["low"], part["high"]), (at + lift,) * 2, color=colour, linewidth=1.2)
            label = words if at == 0 else None
            axes.plot(part["value"], at + lift, mark, color=colour, markersize=3.5, label=label, linestyle="none")
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), xlabel="share of targets", yticks=range(len(rows)))
    axes.set_yticklabels([f"{row['of']}: {row['measure']}\nagainst {row['against']}" for row in rows], fontsize=6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    first = rows[0]
    alt = f"{first['of']}: {percent(first['attack']['value'])} by the attack, {percent(first['baseline']['value'])} by {first['against']}."
    return figure, alt


FIGURES: Mapping[str, Draw] = {
    "gallery": _gallery,
    "errors": of_findings(_errors),
    "shares": of_findings(_shares),
    "comparisons": of_findings(_comparisons),
}

"""What poison raises, drawn: the attack on the poisoned records and on all others against the copies of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxattack.report.style import MUTED, SERIES, WIDE
from jaxattack.report.wording import percent, quantity, rate

RATE = "0.01"  # a few hundred records over all models resolve it
SIDES = {"targets": "poisoned", "others": "all others"}


def draw_poison(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    """The AUC and the true-positive rate against the number of copies, with 95% intervals; None where nothing is poisoned."""
    poison = findings.get("poison")
    if not poison or len(poison["curve"]) < 2:
        return None
    figure = Figure(figsize=(WIDE, 2.4))
    left, right = figure.subplots(1, 2)
    copies = [row["copies"] for row in poison["curve"]]
    for (side, name), colour in zip(SIDES.items(), SERIES, strict=False):
        rows = [row[side] for row in poison["curve"]]
        _line(
            right, copies, [row["tpr"][RATE] for row in rows], [row["tpr_interval"][RATE] for row in rows], name, colour
        )
        left.plot(copies, [row["auc"] for row in rows], marker="o", markersize=2.5, color=colour, label=name)
    left.axhline(0.5, color=MUTED, linewidth=0.7, dashes=(1, 1.5))
    right.axhline(100 * float(RATE), color=MUTED, linewidth=0.7, dashes=(1, 1.5))
    right.set_ylim(bottom=0)
    left.set(xlabel="copies with a wrong label", ylabel="AUC")
    right.set(xlabel="copies with a wrong label", ylabel=f"TPR at {rate(RATE)} FPR (%)")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.legend(loc="lower right", bbox_to_anchor=(1, 0.08), labelcolor="linecolor", frameon=False)
    return (
        figure,
        f"AUC and true-positive rate of {poison['attack']} against the copies of each target. {poison_sentence(findings)}",
    )


def _line(axes: Axes, x: list[int], values: list[float], intervals: list[list[float]], name: str, colour: str) -> None:
    y, ends = 100 * np.array(values), 100 * np.array(intervals).T
    axes.errorbar(
        x, y, yerr=np.abs(ends - y), marker="o", markersize=2.5, color=colour, label=name, linewidth=1, capsize=2
    )


def poison_sentence(findings: Mapping[str, Any]) -> str:
    """What the most copies do, in a sentence."""
    poison = findings["poison"]
    before, after = poison["curve"][0], poison["curve"][-1]
    shares = [row["targets"]["tpr"][RATE] for row in (before, after)]
    rates = [percent(share, 2) for share in shares]
    rest = [f"{row['others']['auc']:.3f}" for row in (before, after)]
    one = after["copies"] == 1
    more, fewer, same = ("raises", "lowers", "does not change") if one else ("raise", "lower", "do not change")
    change, them = more if shares[1] > shares[0] else fewer if shares[1] < shares[0] else same, "it" if one else "them"
    return (
        f"{quantity(after['copies'], 'copy')} with a wrong label {change} what {poison['attack']} finds of "
        f"{quantity(poison['targets'], 'record')}: {rates[0]} without {them} and {rates[1]} with {them}, at {rate(RATE)} false "
        f"positives. The AUC of all others goes from {rest[0]} to {rest[1]}."
    )

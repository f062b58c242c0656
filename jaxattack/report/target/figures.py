"""The figures of one target, each from the findings alone.

roc        true- against false-positive rate of this target, on logarithmic axes, where members are known
p_values   how the p-values spread over members, non-members and the others
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.membership.figures import roc
from jaxattack.report.style import COLUMN, DASHES, INK, MUTED, SERIES
from jaxattack.report.target.reading import claimed
from jaxattack.report.target.tables import tpr_at
from jaxattack.report.wording import percent, rate

FLOOR = "loss"
_SIDES = (
    ("member", "known members", SERIES[0]),
    ("unknown", "not known", SERIES[1]),
    ("non_member", "known non-members", MUTED),
)


def _roc(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    first = claimed(findings)
    if not first["known"]:
        return None
    entries = [first, *(one for one in findings["attacks"] if one["name"] == FLOOR and one is not first)]
    figure = roc([{"name": one["name"], **one["known"]} for one in entries])
    fpr = findings["verdicts"]["fpr"]
    figures = ", ".join(f"{one['name']} {percent(tpr_at(one, fpr))}" for one in entries)
    return figure, (
        f"ROC curves of one target on logarithmic axes, with the diagonal of guessing. True-positive rate at a false-positive "
        f"rate of {rate(fpr)}: {figures}."
    )


def _p_values(findings: Mapping[str, Any]) -> tuple[Figure, str]:
    spread = findings["p_values"]
    edges = np.asarray(spread["edges"])
    figure = Figure(figsize=(COLUMN, 2.2))
    axes = figure.add_subplot()
    words = []
    for (name, label, colour), dashes in zip(_SIDES, DASHES, strict=False):
        counts = np.asarray(spread[name])
        if not counts.sum():
            continue
        share = 100 * counts / counts.sum()
        axes.stairs(share, edges, color=colour, linestyle=dashes, linewidth=1.1, label=label, baseline=None)
        words.append(f"{label}: {share[0]:.1f}% at most {edges[1]:g}")
    axes.axhline(100 / (len(edges) - 1), color=INK, linewidth=0.7, dashes=(1, 1.5), label="uniform")
    axes.set(xlabel="p-value", ylabel="records (%)", xlim=(0, 1))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")
    return figure, f"Histogram of the p-values, uniform where nothing leaks. {'; '.join(words)}."


FIGURES: Mapping[str, Draw] = {
    "roc": of_findings(_roc),
    "p_values": of_findings(_p_values),
}

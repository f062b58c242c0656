"""The figures of an audit of generators.

auc   of every attack, with its interval, by what it sees
roc   true- against false-positive rate of the strongest attacks, on logarithmic axes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.membership.figures import roc
from jaxattack.report.style import MUTED, SERIES, WIDE
from jaxattack.report.wording import number

SIGHTS: Mapping[str, tuple[str, int, str]] = {
    "samples": ("samples", 0, "o"),
    "latent": ("latent points", 1, "s"),
    "weights": ("weights", 2, "D"),
}
"""What an attack sees: in words, its colour's number and its mark."""
CURVES = 4


def _auc(findings: Mapping[str, Any]) -> tuple[Figure, str]:
    attacks = findings["attacks"]
    figure = Figure(figsize=(WIDE, 0.25 * len(attacks) + 0.85))
    axes = figure.add_subplot()
    for name, (words, colour, mark) in SIGHTS.items():
        rows = [(at, attack) for at, attack in enumerate(attacks) if attack["sees"] == name]
        if not rows:
            continue
        y, middle = [at for at, _ in rows], [attack["auc"] for _, attack in rows]
        reach = [
            [attack["auc"] - attack["auc_interval"][0] for _, attack in rows],
            [attack["auc_interval"][1] - attack["auc"] for _, attack in rows],
        ]
        axes.errorbar(
            middle, y, xerr=reach, fmt=mark, markersize=3.4, linewidth=0.9, color=SERIES[colour], label=f"sees {words}"
        )
    axes.axvline(0.5, color=MUTED, linewidth=1.0, label="guessing")
    axes.set(xlabel="AUC", ylim=(len(attacks) - 0.5, -0.5))
    axes.set_yticks(range(len(attacks)), [attack["name"] for attack in attacks])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper center", ncols=4, handlelength=1.4)
    words = ", ".join(f"{attack['name']} {number(attack['auc'])}" for attack in attacks)
    return figure, f"AUC of each attack with its 95% interval, and the line of guessing: {words}."


def _roc(findings: Mapping[str, Any]) -> tuple[Figure, str]:
    attacks = findings["attacks"][:CURVES]
    words = ", ".join(f"{attack['name']} {number(attack['auc'])}" for attack in attacks)
    return roc(attacks), f"ROC curves of the strongest attacks, with the diagonal of guessing. AUC: {words}."


FIGURES: Mapping[str, Draw] = {"auc": of_findings(_auc), "roc": of_findings(_roc)}

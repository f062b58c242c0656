"""The figure of a privacy audit.

bounds   every lower bound that the experiment allows, side by side, and the upper bounds
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.style import DASHES, INK, MUTED, SERIES, WIDE
from jaxattack.report.wording import number, rate, words

CLAIMS = {"many_runs": 0, "one_run": 0, "one_run_fdp": 1, "many_runs_gdp": 2, "one_run_gdp": 2, "gaussian": 2}
WORDS = ("(epsilon, delta)-DP", "Gaussian trade-off", "Gaussian DP")


def _bounds(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    """The bounds, if any is allowed."""
    rows = [row for row in findings["bounds"] if row["epsilon"] is not None]
    if not rows:
        return None
    best = findings["headline"]
    uppers = [row for row in findings["upper"] or () if row["epsilon"] is not None]
    names = [words(row["name"]) for row in rows]
    values = [row["epsilon"] for row in rows]
    kinds = [CLAIMS.get(row["name"], 0) for row in rows]
    figure = Figure(figsize=(WIDE, 0.9 + 0.26 * (len(rows) + 1) + 0.15 * len(uppers)))
    axes = figure.add_subplot()
    places = list(range(1, len(rows) + 1))
    end = max([*values, *(row["epsilon"] for row in uppers), best["epsilon"] if best else 0, 0.1]) * 1.12
    for kind, claim in enumerate(WORDS):
        at = [index for index in range(len(rows)) if kinds[index] == kind]
        if at:
            axes.barh(
                [places[index] for index in at],
                [values[index] for index in at],
                height=0.62,
                color=SERIES[kind],
                label=f"refutes {claim}",
            )
    if best:
        axes.barh([0], [best["epsilon"]], height=0.62, color=INK, label="headline")
    ticks, labels = ([0, *places], [best["epsilon"], *values]) if best else (places, values)
    for place, value in zip(ticks, labels, strict=True):
        axes.text(value + 0.01 * end, float(place), number(value, 2), va="center", fontsize=7, color=INK)
    for index, row in enumerate(uppers):
        axes.axvline(
            row["epsilon"],
            color=MUTED if index else INK,
            linestyle=DASHES[1 + index % (len(DASHES) - 1)],
            linewidth=1,
            label=f"upper: {row['name']}, {number(row['epsilon'], 2)}",
        )
    axes.set_yticks(ticks, [*(["headline"] if best else []), *names])
    axes.set(xlim=(0, end), xlabel="epsilon", ylim=(len(rows) + 0.6, -0.6 if best else 0.4))
    axes.grid(False, axis="y")
    figure.legend(loc="outside lower center", ncols=2)
    confidence = rate(findings["experiment"]["confidence"])
    bounds = ", ".join(f"{name} {number(value, 2)}" for name, value in zip(names, values, strict=True))
    above = "".join(f"; upper bound {row['name']} {number(row['epsilon'], 2)}" for row in uppers)
    return figure, f"Lower bounds on epsilon at {confidence} confidence: {bounds}{above}."


FIGURES: Mapping[str, Draw] = {
    "bounds": of_findings(_bounds),
}

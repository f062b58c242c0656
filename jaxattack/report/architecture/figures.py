"""The figures of an inference of architecture.

posterior   what the victim's answers say of each attribute
accuracy    how often each attribute of networks that are held out is read right, beside chance
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from jaxattack.report.architecture.reading import SPLITS, split_of
from jaxattack.report.kind import Draw, of_findings
from jaxattack.report.style import INK, MUTED, RULE, SERIES, WIDE

_MARKS = ("o", "s", "D", "x")


def _posterior(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    attributes = findings["attributes"]
    if not findings["attack"]["complete"]:
        return None
    figure = Figure(figsize=(WIDE, 0.27 * len(attributes) + 0.45))
    axes = figure.add_subplot()
    for row, attribute in enumerate(attributes):
        left = 0.0
        for value, share in zip(attribute["values"], attribute["posterior"], strict=True):
            top = value == attribute["guess"]
            true = value == attribute["truth"]
            axes.barh(
                row, share, left=left, height=0.74, color=SERIES[0] if top else RULE, edgecolor="white", linewidth=0.6
            )
            if share >= 0.14:
                mark = f"{value} ✓" if true else value
                axes.text(
                    left + share / 2, row, mark, ha="center", va="center", fontsize=7, color="#fdfdfd" if top else INK
                )
            left += share
    axes.set(xlim=(0, 1), ylim=(len(attributes) - 0.5, -0.5), xlabel="posterior")
    axes.set_yticks(range(len(attributes)), [attribute["name"] for attribute in attributes])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f}%"))
    axes.tick_params(axis="y", length=0)
    axes.grid(False)
    words = ", ".join(
        f"{attribute['name']} {attribute['guess']} ({max(attribute['posterior']):.0%})" for attribute in attributes
    )
    return figure, f"The most likely value of each attribute and its posterior: {words}."


def _accuracy(findings: Mapping[str, Any]) -> tuple[Figure, str] | None:
    splits = findings["splits"]
    if not splits:
        return None
    names = [attribute["name"] for attribute in findings["attributes"]]
    figure = Figure(figsize=(WIDE, 0.3 * len(names) + 0.75))
    axes = figure.add_subplot()
    for number, split in enumerate(splits):
        rows = [row for row in split["attributes"] if row["accuracy"] is not None]
        y = np.array([names.index(row["attribute"]) for row in rows]) + (number - (len(splits) - 1) / 2) * 0.18
        middle = np.array([row["accuracy"] for row in rows])
        low, high = np.array([row["interval"] for row in rows]).reshape(-1, 2).T
        axes.errorbar(
            middle, y, xerr=[middle - low, high - middle], fmt=_MARKS[number % 4], markersize=3.2, linewidth=0.8,
            color=SERIES[number % len(SERIES)], label=SPLITS[split["name"]],
        )  # fmt: skip
    for row, attribute in enumerate(findings["attributes"]):
        chance = 1 / len(attribute["values"])
        axes.plot(
            [chance, chance], [row - 0.42, row + 0.42], color=MUTED, linewidth=1.2, label="chance" if row == 0 else None
        )
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xlabel="networks read right")
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f}%"))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper center", ncols=3, handlelength=1.4)
    first = split_of(findings, splits[0]["name"])
    words = ", ".join(f"{row['attribute']} {row['accuracy']:.0%}" for row in first if row["accuracy"] is not None)
    return figure, f"Accuracy of each attribute on networks that are held out, at random: {words}."


FIGURES: Mapping[str, Draw] = {"posterior": of_findings(_posterior), "accuracy": of_findings(_accuracy)}

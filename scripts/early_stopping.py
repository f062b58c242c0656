"""Early stopping as a defence: what a model learns and what it gives away after 5, 10, 20 and 30 passes of one training.

    python scripts/early_stopping.py location30.npz
    python scripts/early_stopping.py digits --records 1797 --model mlp:256 --activation relu

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). Each model
trains on half of 2,400 records. All are observed on the way (`jaxattack.training.observe_checkpoints`), so that the frontier
costs one training: every point is the model that a training of so many passes would have been. The curve of online LiRA
compares each model with others stopped at the same time, as an attacker who knows of the rule does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from comparison import keep, save_figure
from matplotlib.figure import Figure
from rich.table import Table

from jaxattack import Observations, Recipe, load
from jaxattack.attacks.membership import lookup
from jaxattack.audit.records import choose_records
from jaxattack.data import Halves
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import Architecture
from jaxattack.report.style import DASHES, INK, SERIES, styled
from jaxattack.signals import as_signal
from jaxattack.training import Sweep, observe_checkpoints
from jaxattack.training.learners import Standard

EPOCHS = (5, 10, 20, 30)
ATTACKS = ("loss", "lira-online")
EXPECTED = {  # test accuracy and loss AUC of one such network of scikit-learn's on Location-30
    5: (0.522, 0.721),
    10: (0.584, 0.815),
    20: (0.595, 0.879),
    30: (0.598, 0.897),
}


class Point(NamedTuple):
    """Models stopped after so many passes.

    Attributes:
        epochs: how many.
        accuracy: on records that are no members, each model's.
        auc: attack -> of each target.
    """

    epochs: int
    accuracy: np.ndarray
    auc: dict[str, np.ndarray]


def point(epochs: int, observations: Observations) -> Point:
    """What models that were stopped then know, and what attacks get of each."""
    member = observations.member
    right = observations.signal("correct")[:, :, 0]
    accuracy = np.array([row[~own].mean() for row, own in zip(right, member, strict=True)])
    areas = {}
    for name in ATTACKS:
        scores = lookup(name)(observations)
        areas[name] = np.array([auc(roc_curve(row, own)) for row, own in zip(scores, member, strict=True)])
    return Point(epochs, accuracy, areas)


def table(points: list[Point], *, published: bool) -> Table:
    """Means over models, with their standard deviation."""
    made = Table(title="after so many passes of one training", title_justify="left")
    expected = ("expected",) if published else ()
    for column in ("passes", "test accuracy", *expected, "loss AUC", *expected, "lira-online AUC"):
        made.add_column(column, justify="right")
    for one in points:
        area = [f"{one.auc[name].mean():.3f} ± {one.auc[name].std(ddof=1):.3f}" for name in ATTACKS]
        test, leak = ([f"{value:.3f}"] if published else [] for value in EXPECTED.get(one.epochs, (np.nan, np.nan)))
        accuracy = f"{one.accuracy.mean():.3f} ± {one.accuracy.std(ddof=1):.3f}"
        made.add_row(str(one.epochs), accuracy, *test, area[0], *leak, area[1])
    return made


def frontier(points: list[Point]) -> Figure:
    """Leak against test accuracy; the number of passes beside each point."""
    figure = Figure(figsize=(3.5, 2.6))
    axes = figure.subplots()
    x = [100 * one.accuracy.mean() for one in points]
    for number, name in enumerate(ATTACKS):
        y = [one.auc[name].mean() for one in points]
        error = [one.auc[name].std(ddof=1) for one in points]
        axes.errorbar(x, y, error, color=SERIES[number], linestyle=DASHES[number], marker="o", markersize=3, label=name)
        for at, height, one in zip(x, y, points, strict=True):
            axes.annotate(str(one.epochs), (at, height), (0, 4), textcoords="offset points", fontsize=6, color=INK)
    axes.axhline(0.5, color=INK, linewidth=0.5)
    axes.set_xlabel("test accuracy (%)")
    axes.set_ylabel("AUC of an attack")
    axes.legend(loc="upper left")
    return figure


def main() -> None:
    """Train, observe on the way, and show the frontier."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="location30.npz, or a name that jaxattack data lists")
    parser.add_argument("--records", type=int, default=2400)
    parser.add_argument("--model", default="mlp:128")
    parser.add_argument("--activation", default="tanh")
    parser.add_argument("--models", type=int, default=18)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("jaxattack-runs/early-stopping"))
    options = parser.parse_args()
    records = choose_records(load(options.data), options.records, options.seed)
    network = Architecture(name=options.model, activation=options.activation).build(records.shape, records.classes)
    recipe = Recipe(epochs=EPOCHS[-1], batch=50, learning_rate=1e-3)
    sweep = Sweep(model=network, recipe=Standard(recipe=recipe), signals=(as_signal("loss"),), seed=options.seed)
    member = Halves()(options.models, len(records), options.seed)
    observed = observe_checkpoints(sweep, records, member, EPOCHS)
    points = [point(epochs, one) for epochs, one in zip(EPOCHS, observed, strict=True)]
    results = [
        {
            "epochs": one.epochs,
            "test_accuracy": one.accuracy.tolist(),
            "auc": {k: v.tolist() for k, v in one.auc.items()},
        }
        for one in points
    ]
    keep(options.out, "early_stopping", {"points": results}, [table(points, published="location30" in options.data)])
    with styled():
        save_figure(options.out, "early_stopping", frontier(points))


if __name__ == "__main__":
    main()

"""Deep ensembles: what averaging networks buys in accuracy, and what it gives away (Rezaei et al. 2023, arXiv 2105.05381).

    python scripts/ensembles.py location30.npz

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). Eight networks
of 128 tanh units learn half of 2,400 records, for each of eight victims; the first 1, 2, 4 and 8 of them are attacked as one
model, by others of as many networks. Two remedies of ours stand beside it: networks that each learn half of the members, and
the confidences of one network under the label of all (`jaxattack.training.learners.deep_ensemble`).

Expected are test accuracy and the AUC of the loss of one victim of the same protocol with other networks, and what follows for
the mean logit-scaled confidence of the networks: with the members' shift d, the deviation s_r of a record's mean among
records and that of a network s_e within a record, all measured on two networks,

    AUC(networks) = Phi(d / sqrt(2 (s_r^2 + s_e^2 / networks)))

as far as these are normal, and alike for members and others.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from comparison import keep, save_figure
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from scipy.stats import norm

from jaxattack import Observations, Recipe, load
from jaxattack.attacks.membership import lookup
from jaxattack.audit.records import choose_records
from jaxattack.data import Halves
from jaxattack.metrics import auc, roc_curve, tpr_at_fpr
from jaxattack.models import Architecture
from jaxattack.report.style import DASHES, INK, SERIES, styled
from jaxattack.signals import as_signal
from jaxattack.training import Placement, Queries, train_ensemble
from jaxattack.training.afterwards import ask_afterwards
from jaxattack.training.learners import DeepEnsemble
from jaxattack.training.learners.deep_ensemble import Drawing
from jaxattack.training.program import Work
from jaxattack.types import Dataset, Ensemble, Variables

NETWORKS = (1, 2, 4, 8)
SIGNALS = tuple(map(as_signal, ("phi", "correct", "entropy")))
ATTACKS = {"loss": "loss", "entropy": "entropy", "lira-online": "LiRA", "gap": "gap"}
EXPECTED = {1: (0.607, 0.897), 2: (0.600, 0.902), 4: (0.613, 0.905), 8: (0.618, 0.908)}


class Point(NamedTuple):
    """Victims that answer in one way; means over them.

    Attributes:
        name: how.
        accuracy: on members and on others.
        auc: by attack.
        tpr: at 1% of false positives, by attack.
    """

    name: str
    accuracy: tuple[float, float]
    auc: dict[str, float]
    tpr: dict[str, float]


def point(name: str, observations: Observations) -> Point:
    """What victims know, and what attacks get of them."""
    member = observations.member
    right = observations.signal("correct")[:, :, 0]
    areas, rates = {}, {}
    for attack in ATTACKS:
        curves = [roc_curve(row, own) for row, own in zip(lookup(attack)(observations), member, strict=True)]
        areas[attack] = float(np.mean([auc(curve) for curve in curves]))
        rates[attack] = float(np.mean([tpr_at_fpr(curve, 0.01).tpr for curve in curves]))
    return Point(name, (float(right[member].mean()), float(right[~member].mean())), areas, rates)


def first(ensemble: Ensemble, networks: slice) -> Variables:
    """What the first networks of each victim learnt; one network is no ensemble."""
    drawing: Any = ensemble.variables.rest
    part = jax.tree.map(lambda leaf: leaf[:, networks], (ensemble.variables.params, drawing.rest))
    if part and networks.stop - networks.start == 1:
        return Variables(*jax.tree.map(lambda leaf: leaf[:, 0], part))
    return Variables(part[0], Drawing(part[1], drawing.salt))


def answers_of(
    learner: DeepEnsemble, dataset: Dataset, model: Any, ensemble: Ensemble, networks: slice, seed: int
) -> Observations:
    """What some networks of each victim answer together."""
    member = ensemble.member
    own = replace(learner, networks=networks.stop - networks.start)
    work = Work(model, own, Queries(), SIGNALS, int(member.sum(axis=1).max()), dataset.classes)
    values = ask_afterwards(work, seed, dataset, np.arange(len(member)), member, first(ensemble, networks))
    return Observations(signals=values, member=member, label=dataset.y)


def predicted(phi: np.ndarray, member: np.ndarray, networks: int) -> float:
    """The closed form, with moments of single networks' confidences, ["network model record"]."""
    sides = [phi[:, member], phi[:, ~member]]
    shift = sides[0].mean() - sides[1].mean()
    within = np.mean([side.var(axis=0, ddof=1).mean() for side in sides])
    between = np.mean([side.mean(axis=0).var(ddof=1) for side in sides]) - within / len(phi)
    return float(norm.cdf(shift / np.sqrt(2 * (between + within / networks))))


def measured(phi: np.ndarray, member: np.ndarray) -> float:
    """The area of the mean confidence of so many networks, the mean over victims."""
    return float(np.mean([auc(roc_curve(row, own)) for row, own in zip(phi.mean(axis=0), member, strict=True)]))


def points_table(points: list[Point], *, expected: bool) -> Table:
    table = Table(title="Eight victims each", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    more = ("exp.",) if expected else ()
    for number, head in enumerate(
        (
            "",
            "members right",
            "others right",
            *more,
            "loss AUC",
            *more,
            "entropy AUC",
            "LiRA AUC",
            "gap AUC",
            "LiRA TPR at 1%",
        )
    ):
        table.add_column(head, justify="right" if number else "left")
    for one in points:
        count = int(one.name) if one.name.isdigit() else 0
        test, leak = (
            ([f"{value:.3f}"] if value else [""] for value in EXPECTED.get(count, (0, 0))) if expected else ([], [])
        )
        figures = (f"{one.auc[name]:.3f}" for name in ("entropy", "lira-online", "gap"))
        table.add_row(
            one.name, f"{one.accuracy[0]:.3f}", f"{one.accuracy[1]:.3f}", *test, f"{one.auc['loss']:.3f}", *leak, *figures,
            f"{one.tpr['lira-online']:.3f}",
        )  # fmt: skip
    return table


def closed_form_table(rows: list[tuple[int, float, float]]) -> Table:
    table = Table(
        title="AUC of the mean logit-scaled confidence", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for head in ("networks", "measured", "closed form"):
        table.add_column(head, justify="right")
    for count, area, form in rows:
        table.add_row(str(count), f"{area:.3f}", f"{form:.3f}")
    return table


def figure_of(points: list[Point], rows: list[tuple[int, float, float]]) -> Figure:
    """Leak against test accuracy by attack; then the closed form."""
    figure = Figure(figsize=(6.8, 2.6))
    panels = figure.subplots(1, 2)
    means = [one for one in points if one.name.isdigit()]
    for number, (name, label) in enumerate(ATTACKS.items()):
        x, y = ([100 * one.accuracy[1] for one in means], [one.auc[name] for one in means])
        panels[0].plot(x, y, color=SERIES[number], linestyle=DASHES[number], marker="o", markersize=3, label=label)
        for marker, one in zip("sD^", [one for one in points if not one.name.isdigit()], strict=False):
            panels[0].plot(100 * one.accuracy[1], one.auc[name], marker, markersize=4, color=SERIES[number])
    for one in points:
        at, below = (100 * one.accuracy[1], one.auc["lira-online"]), one.name == "one"
        place = (0, -10 if below else 4)
        panels[0].annotate(one.name, at, place, textcoords="offset points", fontsize=6, color=INK, ha="center")
    panels[0].set_xlabel("test accuracy (%)")
    panels[0].set_ylabel("AUC")
    panels[0].margins(x=0.15, y=0.15)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=len(ATTACKS))
    counts = [count for count, *_ in rows]
    for number, (label, place) in enumerate((("measured", 1), ("closed form", 2))):
        panels[1].plot(
            counts, [row[place] for row in rows], color=SERIES[number], linestyle=DASHES[number], marker="o", markersize=3, label=label
        )  # fmt: skip
    panels[1].set_xscale("log", base=2)
    panels[1].set_xticks(counts, [str(count) for count in counts])
    panels[1].set_xlabel("networks")
    panels[1].set_ylabel("AUC of mean confidence")
    panels[1].legend(loc="lower right")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="location30.npz, or a name that jaxattack data lists")
    parser.add_argument("--records", type=int, default=2400)
    parser.add_argument("--model", default="mlp:128")
    parser.add_argument("--activation", default="tanh", choices=("tanh", "relu"))
    parser.add_argument("--models", type=int, default=8, help="victims, of which the others are references")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = choose_records(load(options.data), options.records, options.seed)
    model = Architecture(name=options.model, activation=options.activation).build(dataset.shape, dataset.classes)
    member = Halves()(options.models, len(dataset), options.seed)
    learner = DeepEnsemble(recipe=Recipe(epochs=options.epochs, batch=50, learning_rate=1e-3), networks=NETWORKS[-1])
    placement = Placement(chunk=options.models, vmap=1)

    def train(learner: DeepEnsemble) -> Ensemble:
        return train_ensemble(model, learner, dataset, member, seed=options.seed, placement=placement)[0]

    def ask(learner: DeepEnsemble, ensemble: Ensemble, networks: slice) -> Observations:
        return answers_of(learner, dataset, model, ensemble, networks, options.seed)

    ensemble = train(learner)
    points = [point(str(count), ask(learner, ensemble, slice(0, count))) for count in NETWORKS]
    every = slice(0, NETWORKS[-1])
    points.append(point("one", ask(replace(learner, answer="one"), ensemble, every)))
    halves = replace(learner, share=0.5)
    points.append(point("share 0.5", ask(halves, train(halves), every)))
    single = [ask(learner, ensemble, slice(n, n + 1)).signal("phi")[:, :, 0] for n in range(NETWORKS[-1])]
    phi = np.stack(single).astype(np.float64)
    rows = [(count, measured(phi[:count], member), predicted(phi[:2], member, count)) for count in NETWORKS]
    with styled():
        save_figure(options.out, "ensembles", figure_of(points, rows))
    results = {"points": [one._asdict() for one in points], "closed_form": rows}
    tables = [points_table(points, expected=Path(options.data).stem == "location30"), closed_form_table(rows)]
    keep(options.out, "ensembles", results, tables)


if __name__ == "__main__":
    main()

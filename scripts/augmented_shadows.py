"""Targets that learn from augmented pictures, attacked by shadows that do and by some that do not (after He et al. 2022, arXiv 2208.10445).

    python scripts/augmented_shadows.py

Networks of 128 units learn half of scikit-learn's digits, some with random crops (of 8 x 8 pixels out of 10 x 10) and some without,
the same halves. A target is attacked on the picture alone and on nine views, shifted by a pixel each way, of which an attack
network is shown phi side by side, and LiRA takes the mean ratio. Static references learn without crops, adaptive ones
as the target does. The paper's study was known from its abstract alone; no figure of it is expected, but these relations:

    crops lower what static references find on one view
    adaptive references find more on nine views than static ones do
    nine views add more to what adaptive references find of targets with crops than to what is found without crops

Each is judged by the paired difference of the true-positive rates at 1% of false positives, for new records and new models. On
digits all three hold for LiRA, and none beyond its interval for the attack network, which finds next to nothing there.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from comparison import keep, save_figure
from jaxtyping import Float
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from jaxattack import Observations, Recipe, load
from jaxattack.attacks.membership import LiRA
from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.nsh import one_hot
from jaxattack.attacks.membership.observed import read_signal
from jaxattack.audit.records import choose_records
from jaxattack.data import Halves
from jaxattack.metrics import differences, influences, roc_curve
from jaxattack.metrics.comparison import corrected
from jaxattack.models import Architecture
from jaxattack.report.style import SERIES, styled
from jaxattack.signals import Phi
from jaxattack.training import Placement, Queries, train_ensemble
from jaxattack.types import MembershipAttack, config

FPR = 0.01
VIEWS = (1, 9)
PLAIN, STATIC, ADAPTIVE = "no crops", "crops, static", "crops, adaptive"


@config
class ViewsNetwork(LearnedAttack):
    """An attack network over phi of all views side by side, and the label."""

    name = "views"
    signals = (Phi(),)

    network: AttackNetwork = AttackNetwork(joint=(64,), epochs=30)
    shadows: int = 4

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record _"], ...]:
        """Phi less its mean over its deviation, and the label as one of so many."""
        phi = read_signal(observations, Phi())
        return (phi - phi.mean()) / phi.std(), one_hot(observations, int(observations.label.max()) + 1)


ATTACKS: dict[str, MembershipAttack] = {"attack network": ViewsNetwork(), "LiRA": LiRA(online=True)}


class Cell(NamedTuple):
    """What an attack finds.

    Attributes:
        attack: which.
        setting: `PLAIN`, `STATIC` or `ADAPTIVE`.
        views: of each record.
        moved: how its scores move its figures.
    """

    attack: str
    setting: str
    views: int
    moved: Any

    @property
    def tpr(self) -> Any:
        """The true-positive rate at 1% of false positives, with its uncertainty."""
        return self.moved.estimates()[0]

    @property
    def auc(self) -> Any:
        """The area under the curve, with its uncertainty."""
        return self.moved.estimates()[1]


def some_views(observations: Observations, views: int) -> Observations:
    """The first views alone, the record itself among them."""
    return replace(observations, signals={"phi": observations.signal("phi")[:, :, :views]})


def static_scores(
    attack: MembershipAttack, targets: Observations, references: Observations
) -> Float[np.ndarray, "target record"]:
    """Each target among references that were trained otherwise; of those the one with its own members is no reference of it."""
    rows = []
    for target in range(targets.models):
        phi = references.signal("phi").copy()
        phi[target] = targets.signal("phi")[target]
        rows.append(attack(replace(references, signals={"phi": phi}), [target])[0])
    return np.stack(rows)


def cells(plain: Observations, cropped: Observations) -> list[Cell]:
    """Every attack in every setting on every number of views."""
    every = []
    for name, attack in ATTACKS.items():
        for views in VIEWS:
            without, with_crops = some_views(plain, views), some_views(cropped, views)
            scores = {
                PLAIN: attack(without),
                STATIC: static_scores(attack, with_crops, without),
                ADAPTIVE: attack(with_crops),
            }
            for setting, each in scores.items():
                curve = roc_curve(each.ravel(), plain.member.ravel())
                every.append(Cell(name, setting, views, influences(each, plain.member, curve, [FPR])))
    return every


def relations(found: list[Cell]) -> dict[str, dict[str, Any]]:
    """The differences that are expected above 0, in points of the rate, each with its interval."""
    moved = {(cell.attack, cell.setting, cell.views): cell.moved for cell in found}
    few, many = VIEWS
    pairs = {}
    for attack in ATTACKS:
        pairs[f"{attack}: no crops over crops, static, {few} view"] = (
            (attack, PLAIN, few),
            (attack, STATIC, few),
        )
        pairs[f"{attack}: crops, adaptive over static, {many} views"] = (
            (attack, ADAPTIVE, many),
            (attack, STATIC, many),
        )
        pairs[f"{attack}: crops, adaptive, {many} views over {few}"] = (
            (attack, ADAPTIVE, many),
            (attack, ADAPTIVE, few),
        )
        pairs[f"{attack}: no crops, {many} views over {few}"] = ((attack, PLAIN, many), (attack, PLAIN, few))
    confidence = corrected(len(pairs))
    table = {}
    for name, (first, second) in pairs.items():
        more = differences(moved[first], moved[second])[0]
        table[name] = {"difference": 100 * more.value, "interval": [100 * end for end in more.interval(confidence)]}
    return table


def headline(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for every difference."""
    return [
        f"{name}: {one['difference']:+.2f} points [{one['interval'][0]:.2f}, {one['interval'][1]:.2f}]."
        for name, one in found.items()
    ]


def figure_of(found: list[Cell]) -> Figure:
    """The rates with their intervals, a panel an attack."""
    figure = Figure(figsize=(5.6, 2.4))
    panels = figure.subplots(1, len(ATTACKS), sharey=True)
    for axes, attack in zip(panels, ATTACKS, strict=True):
        for number, views in enumerate(VIEWS):
            drawn = [cell for cell in found if (cell.attack, cell.views) == (attack, views)]
            x = np.arange(len(drawn)) + 0.16 * (2 * number - 1)
            value = np.array([100 * cell.tpr.value for cell in drawn])
            low, high = 100 * np.array([cell.tpr.interval() for cell in drawn]).T
            axes.errorbar(
                x, value, yerr=[value - low, high - value], fmt="os"[number], markersize=4, color=SERIES[number], capsize=2,
                label=f"{views} view{'s' if views > 1 else ''}",
            )  # fmt: skip
        axes.set_xticks(range(3), [PLAIN, "crops,\nstatic", "crops,\nadaptive"])
        axes.set_xlim(-0.5, 2.5)
        axes.set_title(attack)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("TPR at 1% FPR (%)")
    panels[0].legend()
    return figure


def cells_table(found: list[Cell]) -> Table:
    table = Table(title="AUC, and members found at 1% (%)", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("attack", "setting", "views", "AUC", "TPR at 1%", "95% interval"):
        table.add_column(head)
    for cell in found:
        low, high = cell.tpr.interval()
        row = f"{cell.auc.value:.3f}", f"{100 * cell.tpr.value:.2f}", f"{100 * low:.2f} to {100 * high:.2f}"
        table.add_row(cell.attack, cell.setting, str(cell.views), *row)
    return table


def study(plain: Observations, cropped: Observations, accuracy: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Attack, print, draw and keep.

    Args:
        plain: models that learnt without crops, the same members as the others row by row.
        cropped: models that learnt with crops.
        accuracy: on members and on others, by the way to learn.
        folder: of the results.

    Returns:
        The results as they are kept.
    """
    found = cells(plain, cropped)
    differ = relations(found)
    with styled():
        save_figure(folder, "augmented_shadows", figure_of(found))
    told = [
        *(f"Members right {100 * inside:.1f}%, others {100 * out:.1f}%, {name}." for name, (inside, out) in accuracy.items()),
        *headline(differ),
        f"The intervals of the {len(differ)} differences hold together.",
    ]  # fmt: skip
    results = {
        "accuracy": accuracy,
        "cells": [
            {"attack": one.attack, "setting": one.setting, "views": one.views, "auc": one.auc.value, "tpr": one.tpr.value, "tpr_interval": one.tpr.interval()}
            for one in found
        ],
        "relations": differ,
        "told": told,
    }  # fmt: skip
    keep(folder, "augmented_shadows", results, [cells_table(found), *told])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--records", type=int)
    parser.add_argument("--models", type=int, default=32, help="of each way to learn")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = choose_records(load(options.data), options.records, options.seed)
    model = Architecture(name="mlp:128").build(dataset.shape, dataset.classes)
    member = Halves()(options.models, len(dataset), options.seed)
    observed, accuracy = {}, {}
    for name, crop in ((PLAIN, 0), ("crops", 1)):
        recipe = Recipe(epochs=options.epochs, batch=50, learning_rate=1e-3, crop=crop)
        queries, placement = Queries.counting(max(VIEWS)), Placement(chunk=options.models)
        observed[name] = train_ensemble(
            model, recipe, dataset, member, seed=options.seed, queries=queries, placement=placement
        )[1]
        right = observed[name].signal("correct")[:, :, 0]
        accuracy[name] = float(right[member].mean()), float(right[~member].mean())
    study(observed[PLAIN], observed["crops"], accuracy, options.out)


if __name__ == "__main__":
    main()

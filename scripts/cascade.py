"""What cascading adds (CMIA; Du et al. 2026): rounds of shadow models for one target, beside as many that were trained at once.

    python scripts/cascade.py location30.npz --records 2400 --activation tanh

Each target is attacked twice with the same number of shadow models: all trained at once, in complementary pairs, and in rounds, those
of each round having, or lacking, the records that the rounds before were sure of. The target has half of the records, as the
shadow models do. Rates are those of each target, and their mean.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxattack import Dataset, Observations, Recipe, load, train_ensemble
from jaxattack.attacks.membership import Cascade, lookup, signals_of
from jaxattack.attacks.membership.cascade import attack_target
from jaxattack.data.designs import Halves
from jaxattack.metrics import auc, roc_curve, tpr_at_fpr
from jaxattack.models import build
from jaxattack.report.wording import points, rate

RATES = ("0.01", "0.001")


def figures(score: np.ndarray, target: Observations) -> list[float]:
    """The true-positive rates of one target, and the AUC."""
    curve = roc_curve(score, target.member[0])
    return [*(tpr_at_fpr(curve, float(fpr)).tpr for fpr in RATES), auc(curve)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a data set, as jaxattack data lists them")
    parser.add_argument("--records", type=int)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--attack", default="lira-online")
    parser.add_argument("--targets", type=int, default=3)
    parser.add_argument("--models", type=int, default=16, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.05)
    options = parser.parse_args()
    every = load(options.data)
    chosen = np.random.default_rng(0).permutation(len(every))[: options.records]
    dataset = Dataset(name=every.name, x=every.x[chosen], y=every.y[chosen], classes=every.classes)
    network = build("mlp:128", dataset.shape, dataset.classes, activation=options.activation)
    recipe, attack = Recipe(epochs=30, batch=50, learning_rate=1e-3), lookup(options.attack)

    def train(member: np.ndarray, seed: int) -> Observations:
        return train_ensemble(network, recipe, dataset, member, seed=seed, signals=signals_of([attack]))[1]

    cascade = Cascade(attack=attack, models=options.models, rounds=options.rounds, share=options.share)
    table = Table(
        title=f"{options.attack}, {options.models * options.rounds} shadow models a target", title_justify="left"
    )
    for head in ("target", *(f"TPR at {rate(fpr)} FPR (%)" for fpr in RATES), "AUC", "anchored", "of them right"):
        table.add_column(head, justify="left" if head == "target" else "right")
    rows: dict[str, list[list[float]]] = {"at once": [], "in rounds": []}
    for number in range(options.targets):
        seed = 1000 * (number + 1)
        target = train(Halves()(2, len(dataset), seed)[:1], seed)
        once = train(Halves()(options.models * options.rounds, len(dataset), seed + 1), seed + 1)
        found = cascade(target, train, seed=seed + 500)
        right = np.concatenate([target.member[0][found.inside], ~target.member[0][found.outside]])
        extra = {"at once": ("", ""), "in rounds": (f"{len(right)}", f"{points(right.mean())}%" if len(right) else "")}
        for name, score in (
            ("at once", attack_target(attack, target, once, np.arange(len(dataset)))),
            ("in rounds", found.score),
        ):
            rows[name].append(figures(score, target))
            *tprs, area = rows[name][-1]
            table.add_row(f"{number}, {name}", *map(points, tprs), f"{area:.3f}", *extra[name])
    for name, each in rows.items():
        *tprs, area = np.mean(each, axis=0)
        table.add_row(f"mean, {name}", *map(points, tprs), f"{area:.3f}", style="bold")
    Console().print(table)


if __name__ == "__main__":
    main()

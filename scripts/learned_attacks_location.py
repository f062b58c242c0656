"""What attack networks find on Location-30 beyond a threshold (Shokri et al. 2017), from one shadow and from eight.

    python scripts/learned_attacks_location.py --data location30.npz     three minutes of a core

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). A victim
of 128 tanh units learns 1,200 of 2,400 records; each shadow learns a random half of 2,400 others. Figures are means over
seeds, each with its own records, victim, shadows and attack networks, and the deviation over seeds after them. Expected
are those of the same protocol with other code (AUC to .01, rates to .03); a rate is of 1,200 non-members, of whom 12 may be
called members. Rows that name a rate of Adam are ablations of it. The table is benchmarks/results/learned_attacks_location.txt.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxattack import Observations, Recipe, load
from jaxattack.attacks.membership import NSH, MLLeaks1, MLLeaks3, Shokri, Threshold, signals_of
from jaxattack.attacks.membership.learned import LearnedAttack, transfer_scores
from jaxattack.attacks.membership.nsh import JOINED
from jaxattack.metrics import auc, roc_curve, tpr_at_fpr
from jaxattack.models import Architecture
from jaxattack.training import Placement, train_ensemble
from jaxattack.types import Dataset

HALF, SHADOWS = 1200, 8
RATES = (0.001, 0.003, 0.01)
Score = Callable[[Observations, Observations], np.ndarray]


def taught(attack: LearnedAttack) -> Score:
    """An attack whose networks learn from the shadows."""
    return lambda victim, shadows: transfer_scores(attack, shadows, victim)


def rows() -> dict[str, tuple[Score, str, str]]:
    """By name: the attack, and the AUC and rate expected of it."""
    table: dict[str, tuple[Score, str, str]] = {
        "loss": (lambda victim, _: Threshold(quantity="loss")(victim), ".904", ".015"),
        "ml-leaks-3": (lambda victim, _: MLLeaks3()(victim), ".898", ".015"),
        "ml-leaks-1, 1 shadow": (taught(MLLeaks1()), ".902", ".018"),
    }
    expected = {("shokri", 1): (".921", ".132"), ("shokri", 8): (".941", ".181")}
    expected |= {("nsh-joined", 1): (".935", ".158"), ("nsh-joined", 8): (".939", ".181")}
    for attack in (Shokri(), NSH(network=JOINED)):
        for shadows in (1, SHADOWS):
            for rate in RATES:
                network = replace(attack.network, learning_rate=rate)
                varied = replace(attack, network=network, shadows=shadows)
                name = f"{attack.name}, {shadows} shadow{'s' * (shadows > 1)}"
                default = rate == attack.network.learning_rate
                area, tpr = expected[attack.name, shadows] if default else ("", "")
                table[name if default else f"{name}, Adam at {rate:g}"] = (taught(varied), area, tpr)
    return table


def observe(dataset: Dataset, models: int, seed: int) -> Observations:
    """So many models, each of a random half of the records, and what they say of all."""
    rng = np.random.default_rng(seed)
    member = rng.permuted(np.tile(np.arange(len(dataset)) < HALF, (models, 1)), axis=1)
    model = Architecture(name="mlp:128", activation="tanh").build(dataset.shape, dataset.classes)
    recipe = Recipe(epochs=30, batch=50, learning_rate=1e-3)
    signals = signals_of([Shokri(), MLLeaks1(), MLLeaks3()])
    placement = Placement(chunk=models, vmap=models)
    return train_ensemble(model, recipe, dataset, member, seed=seed, signals=signals, placement=placement)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="location30.npz")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--width", type=int, default=110, help="of the table, in characters")
    options = parser.parse_args()
    dataset = load(str(options.data))
    table = rows()
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in table}
    accuracy = []
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(dataset))
        victim, shadows = (
            observe(dataset.take(part), models, seed)
            for part, models in ((order[: 2 * HALF], 1), (order[2 * HALF : 4 * HALF], SHADOWS))
        )
        right = victim.signal("correct")[:, :, 0]
        accuracy.append((right[victim.member].mean(), right[~victim.member].mean()))
        for name, (score, _, _) in table.items():
            attack = score(victim, shadows)
            roc = roc_curve(attack[0], victim.member[0])
            measured[name].append((auc(roc), tpr_at_fpr(roc, 0.01).tpr))
    inside, outside = np.mean(accuracy, axis=0)
    shown = Table(
        title=f"Location-30, {options.seeds} victims, right about {inside:.3f} of members and {outside:.3f} of others",
        title_justify="left",
    )
    for column in ("attack", "AUC", "expected", "TPR at 1% FPR", "expected"):
        shown.add_column(column, justify="left" if column == "attack" else "right")
    for name, (_, area, rate) in table.items():
        figures = np.array(measured[name])
        mean, spread = figures.mean(axis=0), figures.std(axis=0, ddof=1) if len(figures) > 1 else np.zeros(2)
        of_area, of_rate = (f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, spread, strict=True))
        shown.add_row(name, of_area, area, of_rate, rate)
    Console(width=options.width).print(shown)


if __name__ == "__main__":
    main()

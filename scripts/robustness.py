"""What defences against evasion buy, and what they cost elsewhere.

    python scripts/robustness.py leakage                 adversarial training: accuracy under attack, and what LiRA tells of the members
    python scripts/robustness.py extraction              MagNet and feature squeezing: what a thief gets with so many questions
    python scripts/robustness.py evasion                 the same against PGD that does not know them, and that does
    python scripts/robustness.py evasion mnist.npz       on records of another kind: x, y

``leakage`` and ``extraction`` are of scikit-learn's digits. ``leakage`` trains one sweep a learner, of the same members, and attacks
each with its own models as references; accuracy under attack is model 0's on the records that it has not seen. ``evasion`` also asks
about every held-out record, for what a defence costs who means no harm: one that is refused is answered wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from comparison import keep, save_figure
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from thieves import stolen

from jaxattack import Recipe, load
from jaxattack.attacks.evasion import PGD
from jaxattack.attacks.evasion.outcome import is_right, refusals
from jaxattack.attacks.membership import lookup
from jaxattack.audit.evasion import evade
from jaxattack.audit.victim import Victim
from jaxattack.audit.victim_names import network_victim
from jaxattack.data import Halves
from jaxattack.data.designs import Sized
from jaxattack.defences import FeatureSqueezing, MagNet
from jaxattack.metrics import auc, clopper_pearson, roc_curve, tpr_at_fpr
from jaxattack.models import Architecture
from jaxattack.perturb.norms import Norm
from jaxattack.report.style import DASHES, SERIES, styled
from jaxattack.training import train_ensemble, train_one
from jaxattack.training.learners import AdversarialTraining, Standard
from jaxattack.training.robust import resistance
from jaxattack.types import Dataset, Defence, Learner

RECIPE = Recipe(epochs=30, batch=50, learning_rate=2e-3)
LEARNERS: dict[str, Learner] = {
    "standard": Standard(recipe=RECIPE),
    "PGD .05": AdversarialTraining(recipe=RECIPE, size=0.05),
    "PGD .1": AdversarialTraining(recipe=RECIPE, size=0.1),
    "FGSM .1": AdversarialTraining(recipe=RECIPE, size=0.1, attack_steps=1),
    "FGSM .3, long steps": AdversarialTraining(recipe=RECIPE, size=0.3, attack_steps=1, rate=2.0),
}
SQUEEZE = FeatureSqueezing(bits=1, median=2)
DEFENCES: dict[str, tuple[Defence, ...]] = {"none": (), "magnet": (MagNet(),), "squeeze": (SQUEEZE,)}
SIZES: dict[Norm, tuple[float, ...]] = {"linf": (0.1, 0.2, 0.3), "l2": (2.0, 4.0)}


def leakage(options: argparse.Namespace) -> tuple[dict[str, Any], list[Table], Figure]:
    """Every learner's resistance to evasion, and what its members lose."""
    dataset = load("digits")
    network = Architecture(name="mlp:256").build(dataset.shape, dataset.classes)
    member = Halves()(options.models, len(dataset), options.seed)
    outside = ~member[0]
    rows = {}
    for name, learner in LEARNERS.items():
        ensemble, observations = train_ensemble(network, learner, dataset, member, seed=options.seed)
        first = jax.tree.map(lambda leaf: leaf[0], ensemble.variables)
        size = getattr(learner, "size", 0.1)
        found = resistance(network, first, dataset.x[outside], dataset.y[outside], size=size)
        areas, rates = tells(lookup("lira-online")(observations), member)
        rows[name] = {
            "size": size,
            **found._asdict(),
            "at .1": resistance(network, first, dataset.x[outside], dataset.y[outside], size=0.1).pgd,
            "collapsed": found.collapsed,
            "auc": float(areas.mean()),
            "auc_deviation": float(areas.std(ddof=1)),
            "tpr_at_1%": rates,
        }
    return rows, [leakage_table(rows)], leakage_figure(rows)


def tells(scores: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, float]:
    """Each target's area under the curve, and the true-positive rate of all targets together at 1%."""
    areas = np.array([auc(roc_curve(row, own)) for row, own in zip(scores, member, strict=True)])
    return areas, float(tpr_at_fpr(roc_curve(scores.ravel(), member.ravel()), 0.01).tpr)


def leakage_table(rows: dict[str, Any]) -> Table:
    """A row a learner."""
    table = Table(
        title="Adversarial training: what it resists, and what LiRA tells of its members", box=box.SIMPLE_HEAD
    )
    heads = ("", "size", "right", "FGSM", "PGD-20", "PGD-20 at .1", "collapsed", "LiRA AUC", "TPR at 1%")
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for name, row in rows.items():
        accuracies = (f"{row[key]:.1%}" for key in ("clean", "fgsm", "pgd", "at .1"))
        leak = f"{row['auc']:.3f} ± {row['auc_deviation']:.3f}", f"{row['tpr_at_1%']:.1%}"
        table.add_row(name, f"{row['size']:g}", *accuracies, "yes" if row["collapsed"] else "no", *leak)
    return table


def leakage_figure(rows: dict[str, Any]) -> Figure:
    """The leak against the accuracy under attack."""
    figure = Figure(figsize=(3.8, 2.6))
    axes = figure.subplots()
    for number, (name, row) in enumerate(rows.items()):
        color = SERIES[number % len(SERIES)]
        axes.errorbar(100 * row["at .1"], row["auc"], row["auc_deviation"], marker="o", color=color, label=name)
    axes.set_xlabel("accuracy under PGD-20 of size .1 (%)")
    axes.set_ylabel("LiRA AUC")
    axes.legend(fontsize=6)
    return figure


def victim_of(dataset: Dataset, model: str, members: int, epochs: int, seed: int) -> Victim:
    """A network that has learnt some of the records."""
    network = Architecture(name=model).build(dataset.shape, dataset.classes)
    member = Sized(members=members)(1, len(dataset), seed)[0]
    variables = train_one(network, Recipe(epochs=epochs, batch=64), dataset, member, seed=seed)
    return network_victim(f"{model} on {Path(dataset.name).stem}", network, variables, dataset, member)


def extraction(options: argparse.Namespace) -> tuple[dict[str, Any], list[Table], Figure]:
    """What Knockoff gets of a victim behind each defence, by queries; means over seeds."""
    dataset = load("digits")
    rows = {}
    for name, defences in DEFENCES.items():
        each = []
        for seed in range(options.seeds):
            victim = victim_of(dataset, "mlp:64", 600, 30, seed).behind(defences, seed=seed)
            assert victim.x is not None
            assert victim.y is not None
            right = is_right(victim.oracle, victim.oracle(victim.x), victim.y)
            each.append((float(right.mean()), stolen(victim, 320, 4, seed)[1]))
        shares = np.array([[share for _, share in curve] for _, curve in each])
        rows[name] = {
            "right": float(np.mean([right for right, _ in each])),
            "queries": [queries for queries, _ in each[0][1]],
            "stolen": shares.mean(axis=0).tolist(),
            "deviation": shares.std(axis=0, ddof=1).tolist() if len(shares) > 1 else [0.0] * shares.shape[1],
        }
    return rows, [extraction_table(rows)], extraction_figure(rows)


def extraction_table(rows: dict[str, Any]) -> Table:
    """A row a defence."""
    table = Table(title="Held-out records that the copy labels as the undefended victim does", box=box.SIMPLE_HEAD)
    counts = next(iter(rows.values()))["queries"]
    for number, head in enumerate(("", "right", *(f"{count} asked" for count in counts))):
        table.add_column(head, justify="right" if number else "left")
    for name, row in rows.items():
        figures = (f"{m:.3f} ± {d:.3f}" for m, d in zip(row["stolen"], row["deviation"], strict=True))
        table.add_row(name, f"{row['right']:.3f}", *figures)
    return table


def extraction_figure(rows: dict[str, Any]) -> Figure:
    """The share that is stolen against queries."""
    lines = {name: (row["queries"], row["stolen"], row["deviation"]) for name, row in rows.items()}
    return _lines(lines, "queries", "stolen (%)")


def evasion(options: argparse.Namespace) -> tuple[dict[str, Any], list[Table], Figure]:
    """PGD within each size of each norm, against each defence, not knowing it and knowing it."""
    if options.data == "digits":
        dataset, victim = load("digits"), victim_of(load("digits"), "mlp:64", 898, 30, options.seed)
    else:
        dataset = load(options.data)
        victim = victim_of(dataset, options.model, options.members, options.epochs, options.seed)
    rows: dict[str, Any] = {}
    for name, defences in DEFENCES.items():
        behind = victim.behind(defences, seed=options.seed)
        assert behind.x is not None
        assert behind.y is not None
        answer = behind.oracle(behind.x)
        rows[name] = {
            "records": len(behind.x),
            "right": float(is_right(behind.oracle, answer, behind.y).mean()),
            "refused": float(refusals(behind.oracle, answer).mean()),
            "attacks": {
                attacker: {
                    f"{norm} {size:g}": past(behind, PGD(norm=norm, size=size, steps=options.steps), attacker, options)
                    for norm, sizes in SIZES.items()
                    for size in sizes
                }
                for attacker in (("unaware", "adaptive") if defences else ("unaware",))
            },
        }
    return rows, [evasion_table(rows, victim.name)], evasion_figure(rows)


def past(victim: Victim, attack: PGD, attacker: str, options: argparse.Namespace) -> dict[str, Any]:
    """How many of the records that were right an attack got past the victim and its defence, with an interval."""
    result = evade(victim, attack, adaptive=attacker == "adaptive", records=options.records, seed=options.seed).evasion
    fooled, right = int((result.success & result.right).sum()), int(result.right.sum())
    print(f"{victim.name}, {attacker}, {attack.norm} {attack.size:g}: {fooled} of {right}", flush=True)
    return {"fooled": fooled, "right": right, "interval": [float(end) for end in clopper_pearson(fooled, right)]}


def evasion_table(rows: dict[str, Any], victim: str) -> Table:
    """A row a defence, an attacker and a norm."""
    first = next(iter(rows.values()))["attacks"]["unaware"]
    table = Table(title=f"Of so many records of {victim} that were right, PGD gets past it", box=box.SIMPLE_HEAD)
    for number, head in enumerate(("defence", "attacker", "right", "refused", "of", *first)):
        table.add_column(head, justify="right" if number > 1 else "left")
    for name, row in rows.items():
        for attacker, cells in row["attacks"].items():
            figures = (f"{cell['fooled'] / cell['right']:.1%}" for cell in cells.values())
            right = str(next(iter(cells.values()))["right"])  # before an attack, and so the same of all of them
            table.add_row(name, attacker, f"{row['right']:.2%}", f"{row['refused']:.2%}", right, *figures)
    return table


def evasion_figure(rows: dict[str, Any]) -> Figure:
    """The share that gets past against the size of the change, a panel a norm, with 95% intervals."""
    figure = Figure(figsize=(6.2, 2.6))
    panels = figure.subplots(1, len(SIZES), sharey=True)
    for (norm, sizes), axes in zip(SIZES.items(), panels, strict=True):
        lines = [(name, attacker, cells) for name, row in rows.items() for attacker, cells in row["attacks"].items()]
        for number, (name, attacker, cells) in enumerate(lines):
            there = [cells[f"{norm} {size:g}"] for size in sizes]
            share = np.array([cell["fooled"] / cell["right"] for cell in there])
            spread = np.abs(np.array([cell["interval"] for cell in there]).T - share)
            axes.errorbar(
                sizes, 100 * share, 100 * spread, color=SERIES[number % len(SERIES)], linestyle=DASHES[number % len(DASHES)],
                marker="o", markersize=3, capsize=1.5, linewidth=0.9, label=f"{name}, {attacker}",
            )  # fmt: skip
        axes.set_xlabel("size, max norm" if norm == "linf" else "size, 2-norm")
        axes.set_xticks(sizes)
    panels[0].set_ylabel("got past (%)")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def _lines(lines: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]], x: str, y: str) -> Figure:
    figure = Figure(figsize=(5.2, 2.6))
    axes = figure.subplots()
    for number, (name, (at, means, deviations)) in enumerate(lines.items()):
        axes.errorbar(
            at,
            [100 * value for value in means],
            [100 * value for value in deviations],
            color=SERIES[number % len(SERIES)],
            linestyle=DASHES[number % len(DASHES)],
            marker="o",
            markersize=3,
            label=name,
        )
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


STUDIES: dict[str, Callable[[argparse.Namespace], tuple[dict[str, Any], list[Table], Figure]]] = {
    "leakage": leakage,
    "extraction": extraction,
    "evasion": evasion,
}


def main() -> None:
    """Run one study, and keep its table and its figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=[*STUDIES])
    parser.add_argument("data", nargs="?", default="digits", help="of evasion alone: an .npz of x and y")
    parser.add_argument("--models", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", default="cnn:8-16")
    parser.add_argument("--members", type=int, default=12_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    rows, tables, figure = STUDIES[options.study](options)
    name = f"robustness_{options.study}" + ("" if options.data == "digits" else f"_{Path(options.data).stem}")
    with styled():
        save_figure(options.out, name, figure)
    keep(options.out, name, {"rows": rows}, tables)


if __name__ == "__main__":
    main()

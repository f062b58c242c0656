"""Ensembles, forests and noise on parameters against extraction: how much of a victim is stolen with so many questions.

    python scripts/thieves.py

Every victim learns 600 of scikit-learn's digits. A thief has a third of the others, asks about them one after another and trains
a network on the answers (Knockoff, `jaxattack.attacks.extraction.Knockoff`); what is stolen is the share of held-out records that
the copy labels as the victim does, beside how many the victim labels right. Means over seeds, each with its own members.

A smoother victim is an easier one: the mean of more networks, or more trees, is expected to be right more often and to be
copied better, and noise on parameters to cost the victim before it costs the thief, whose copy learns the noisy answers as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from comparison import keep, save_figure
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from sklearn.ensemble import RandomForestClassifier

from jaxattack import Recipe, load
from jaxattack.attacks.extraction import lookup
from jaxattack.audit.extraction import extract
from jaxattack.audit.victim import Victim, input_ranges
from jaxattack.audit.victim_names import network_victim, thirds
from jaxattack.models import Architecture
from jaxattack.oracle import from_estimator
from jaxattack.report.style import DASHES, SERIES, styled
from jaxattack.training import train_ensemble
from jaxattack.training.learners import DeepEnsemble, ParameterNoise, Standard
from jaxattack.types import Dataset, Learner, deployed_model

MEMBERS = 600
RECIPE = Recipe(epochs=30, batch=50, learning_rate=2e-3)
LEARNERS: dict[str, Learner] = {
    "network": Standard(recipe=RECIPE),
    "4 networks": DeepEnsemble(recipe=RECIPE, networks=4),
    "16 networks": DeepEnsemble(recipe=RECIPE, networks=16),
    "noise 0.1": ParameterNoise(recipe=RECIPE, scale=0.1),
    "noise 0.3": ParameterNoise(recipe=RECIPE, scale=0.3),
}
FORESTS = {"tree": 1, "8 trees": 8, "64 trees": 64}
Make = Callable[[Dataset, np.ndarray, int], Victim]


def of_learner(learner: Learner) -> Make:
    """Victims that learn in a way."""

    def make(dataset: Dataset, member: np.ndarray, seed: int) -> Victim:
        model = Architecture(name="mlp:64").build(dataset.shape, dataset.classes)
        ensemble, _ = train_ensemble(model, learner, dataset, member[None], seed=seed)
        variables = jax.tree.map(lambda leaf: leaf[0], ensemble.variables)
        return network_victim(
            type(learner).__name__, deployed_model(learner, model, dataset.classes), variables, dataset, member
        )

    return make


def of_forest(trees: int) -> Make:
    """Random forests of so many trees."""

    def make(dataset: Dataset, member: np.ndarray, seed: int) -> Victim:
        x = dataset.x.reshape(len(dataset), -1).astype(np.float64)
        fitted = RandomForestClassifier(trees, random_state=seed).fit(x[member], dataset.y[member])
        inputs = input_ranges(x)
        oracle, twin = (from_estimator(fitted, inputs=inputs) for _ in range(2))
        return Victim(
            name=f"{trees} trees", oracle=oracle, twin=twin, dataset=dataset, member=member,
            **thirds(x[~member], dataset.y[~member], oracle),
        )  # fmt: skip

    return make


def stolen(victim: Victim, budget: int, rounds: int, seed: int) -> tuple[float, list[tuple[int, float]]]:
    """How often a victim is right, and (queries, share of held-out records labelled as it does)."""
    assert victim.x is not None
    assert victim.y is not None
    right = float((victim.ask(victim.x).label == victim.y).mean())
    attack = lookup(f"knockoff-random?budget={budget}&rounds={rounds}&substitute=mlp:64")
    findings = extract(victim, attack, seed=seed, compare=100, trials=0).findings
    points = (point for point in findings.curve if point.held_out is not None and point.queries <= budget)
    return right, [(point.queries, float(point.held_out or 0.0)) for point in points]


def victims_table(rows: dict[str, Any]) -> Table:
    table = Table(
        title="Held-out records labelled as the victim does", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    counts = [queries for queries, *_ in next(iter(rows.values()))["curve"]]
    for number, head in enumerate(("", "right", *(f"{count} asked" for count in counts))):
        table.add_column(head, justify="right" if number else "left")
    for name, one in rows.items():
        figures = (f"{mean:.3f} ± {deviation:.3f}" for _, mean, deviation in one["curve"])
        table.add_row(name, f"{one['right']:.3f}", *figures)
    return table


def figure_of(rows: dict[str, Any]) -> Figure:
    figure = Figure(figsize=(5.2, 2.6))
    axes = figure.subplots()
    for number, (name, one) in enumerate(rows.items()):
        queries, means, deviations = zip(*one["curve"], strict=True)
        style = {"color": SERIES[number % len(SERIES)], "linestyle": DASHES[number % len(DASHES)]}
        marker = "os"[number // len(SERIES)]
        axes.errorbar(
            queries,
            [100 * v for v in means],
            [100 * v for v in deviations],
            marker=marker,
            markersize=3,
            label=name,
            **style,
        )
    axes.set_xlabel("queries")
    axes.set_ylabel("stolen (%)")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = load("digits")
    makers = {name: of_learner(learner) for name, learner in LEARNERS.items()}
    makers |= {name: of_forest(trees) for name, trees in FORESTS.items()}
    rows = {}
    for name, make in makers.items():
        each = []
        for seed in range(options.seeds):
            member = np.isin(np.arange(len(dataset)), np.random.default_rng(seed).permutation(len(dataset))[:MEMBERS])
            each.append(stolen(make(dataset, member, seed), options.budget, options.rounds, seed))
        queries = [count for count, _ in each[0][1]]
        shares = np.array([[share for _, share in curve] for _, curve in each])
        deviation = shares.std(axis=0, ddof=1) if len(shares) > 1 else np.zeros(len(queries))
        curve = [(n, float(m), float(d)) for n, m, d in zip(queries, shares.mean(axis=0), deviation, strict=True)]
        rows[name] = {"right": float(np.mean([right for right, _ in each])), "curve": curve}
    with styled():
        save_figure(options.out, "thieves", figure_of(rows))
    keep(options.out, "thieves", {"victims": rows}, [victims_table(rows)])


if __name__ == "__main__":
    main()

"""What about models goes with what attacks find: fifty settings as a table for tools that look for causes.

    python scripts/causes.py location30.npz

The file holds x, 5,010 records of 446 zeros and ones, and y, 0 to 29 (privacytrustlab/datasets, dataset_location). Ten ways to
train, each eight models on half of the records, are observed after 2, 5, 10, 20 and 40 passes: fifty settings, a row each of
causes.csv. Baluta et al. (CCS 2022, doi 10.1145/3548606.3560694) draw a causal graph over such a table, in which an attack is a
sink and size and width are roots; that is left to tools for graphs. Here stand rank correlations of each property with each
attack's AUC, and the difference between settings above and below a property's median. Settings of one training are alike, so
that no interval is given.

| expected | why |
| --- | --- |
| the AUC of the gap attack is 1/2 + (accuracy gap) / 2, exactly | its score is 0 or 1 |
| the loss gap goes with the AUC of the loss more than the accuracy gap does | a model that is right everywhere still fits |
| variance goes with attacks that read confidences more than the accuracy gap does | in the paper's table: .83 against .18 of ML-Leaks |
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from comparison import keep, save_figure
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from scipy.stats import spearmanr

from jaxattack import Observations, Recipe, load
from jaxattack.attacks.membership import lookup, signals_of
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.audit.records import choose_records
from jaxattack.data import Halves
from jaxattack.disk import write_atomically
from jaxattack.metrics import auc, decompose, roc_curve
from jaxattack.models import Architecture
from jaxattack.report.style import MUTED, SERIES, styled
from jaxattack.signals import as_signal
from jaxattack.training import Sweep, observe_checkpoints
from jaxattack.training.learners import ConfidencePenalty, HighEntropy, LabelSmoothing, RelaxLoss, Standard
from jaxattack.types import Dataset

PASSES = (2, 5, 10, 20, 40)
ATTACKS = {"loss": "loss", "entropy": "entropy", "ml-leaks-1": "ML-Leaks 1", "lira-online": "LiRA", "gap": "gap"}
PROPERTIES = {
    "accuracy_gap": "accuracy gap",
    "loss_gap": "loss gap",
    "test_accuracy": "test accuracy",
    "train_loss": "train loss",
    "test_loss": "test loss",
    "bias": "bias",
    "variance": "variance",
    "log_bias": "bias, KL",
    "log_variance": "variance, KL",
    "parameters": "parameters",
    "records": "members",
    "passes": "passes",
}
DRAWN = ("accuracy_gap", "loss_gap", "variance")
RECIPE = Recipe(epochs=PASSES[-1], batch=50, learning_rate=1e-3)


class Way(NamedTuple):
    """A way to train.

    Attributes:
        learner: how a model learns.
        model: what it is.
        share: of the records that are used.
    """

    learner: Standard
    model: Architecture
    share: float = 1.0


def ways(name: str, activation: Any) -> dict[str, Way]:
    """Ten of them: one changed in one thing at a time."""
    plain, kind = Standard(recipe=RECIPE), name.partition(":")[0]
    usual = Architecture(name=name, activation=activation)
    decayed = Recipe(epochs=PASSES[-1], batch=50, learning_rate=1e-3, weight_decay=1e-3)
    return {
        "plain": Way(plain, usual),
        "narrow": Way(plain, Architecture(name=f"{kind}:16", activation=activation)),
        "wide": Way(plain, Architecture(name=f"{kind}:512", activation=activation)),
        "third of the records": Way(plain, usual, 1 / 3),
        "weight decay": Way(Standard(recipe=decayed), usual),
        "dropout": Way(plain, Architecture(name=name, activation=activation, dropout=0.5)),
        "label smoothing": Way(Standard(recipe=RECIPE, loss=LabelSmoothing()), usual),
        "confidence penalty": Way(Standard(recipe=RECIPE, loss=ConfidencePenalty(alpha=0.5)), usual),
        "relaxloss": Way(Standard(recipe=RECIPE, loss=RelaxLoss(alpha=0.5)), usual),
        "high entropy": Way(Standard(recipe=RECIPE, loss=HighEntropy()), usual),
    }


def row(name: str, passes: int, parameters: int, observations: Observations) -> dict[str, Any]:
    """A setting: what it is, what is measured of its models, and each attack's AUC, the mean over targets."""
    member, label = observations.member, observations.label
    right, loss = (
        observations.signal("correct")[:, :, 0].astype(np.float64),
        loss_of(observations.signal("phi")[:, :, 0]),
    )
    parts = decompose(observations.signal("confidence_vector")[:, :, 0], member, label)
    accuracy, errors = ([float(each[side].mean()) for side in (member, ~member)] for each in (right, loss))
    areas = {
        attack: float(
            np.mean(
                [auc(roc_curve(scores, own)) for scores, own in zip(lookup(attack)(observations), member, strict=True)]
            )
        )
        for attack in ATTACKS
    }
    return {
        "way": name,
        "passes": passes,
        "parameters": parameters,
        "records": int(member.sum(axis=1).mean()),
        "train_accuracy": accuracy[0],
        "test_accuracy": accuracy[1],
        "accuracy_gap": accuracy[0] - accuracy[1],
        "train_loss": errors[0],
        "test_loss": errors[1],
        "loss_gap": errors[1] - errors[0],
        **parts._asdict(),
        **{f"auc_{attack}": area for attack, area in areas.items()},
    }


def settings(name: str, way: Way, dataset: Dataset, models: int, seed: int) -> list[dict[str, Any]]:
    """A row for each number of passes."""
    records = choose_records(dataset, round(way.share * len(dataset)), seed)
    model = way.model.build(records.shape, records.classes)
    signals = signals_of([lookup(attack) for attack in ATTACKS])
    sweep = Sweep(
        model=model,
        recipe=way.learner,
        signals=(*signals, as_signal("confidence_vector")),
        seed=seed,
    )
    member = Halves()(models, len(records), seed)
    observed = observe_checkpoints(sweep, records, member, PASSES)
    variables = jax.eval_shape(model.init, jax.random.key(0))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables.params))
    return [row(name, passes, parameters, one) for passes, one in zip(PASSES, observed, strict=True)]


def correlation(rows: Sequence[Mapping[str, Any]], one: str, other: str) -> float:
    """Spearman's rank correlation over settings."""
    result: Any = spearmanr([each[one] for each in rows], [each[other] for each in rows])
    return float(result.statistic)


def contrast(rows: Sequence[Mapping[str, Any]], key: str, attack: str) -> float:
    """By how much the AUC is larger where a property is above its median, or at it where none is above, than elsewhere."""
    values, areas = (np.array([each[name] for each in rows]) for name in (key, f"auc_{attack}"))
    middle = np.median(values)
    above = values > middle if (values > middle).any() else values >= middle
    return float(areas[above].mean() - areas[~above].mean())


def properties_table(title: str, by_property: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(("", *ATTACKS.values())):
        table.add_column(head, justify="right" if number else "left")
    for key, each in by_property.items():
        table.add_row(PROPERTIES[key], *(f"{each[attack]:+.2f}" for attack in ATTACKS))
    return table


def rows_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The settings after the last pass."""
    table = Table(title=f"After {PASSES[-1]} passes", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    heads = ("", "train", "test", "loss gap", "bias", "variance", *(f"AUC {label}" for label in ATTACKS.values()))
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for one in rows:
        if one["passes"] == PASSES[-1]:
            keys = (
                "train_accuracy",
                "test_accuracy",
                "loss_gap",
                "bias",
                "variance",
                *(f"auc_{name}" for name in ATTACKS),
            )
            table.add_row(one["way"], *(f"{one[key]:.3f}" for key in keys))
    return table


def figure_of(rows: Sequence[Mapping[str, Any]], attack: str) -> Figure:
    """An attack's AUC against three properties, a point a setting, lines along the passes of one training."""
    figure = Figure(figsize=(7.4, 2.6))
    panels = figure.subplots(1, len(DRAWN), sharey=True)
    names = list(dict.fromkeys(one["way"] for one in rows))
    for axes, key in zip(panels, DRAWN, strict=True):
        for number, name in enumerate(names):
            own = [one for one in rows if one["way"] == name]
            axes.plot(
                [one[key] for one in own], [one[f"auc_{attack}"] for one in own], color=SERIES[number % len(SERIES)],
                marker="os"[number // len(SERIES)], markersize=2.5, linewidth=0.7, label=name,
            )  # fmt: skip
        axes.axhline(0.5, color=MUTED, linewidth=0.5)
        axes.set_xlabel(f"{PROPERTIES[key]} (rank {correlation(rows, key, f'auc_{attack}'):+.2f})")
    panels[0].set_ylabel(f"AUC of the {ATTACKS[attack]}")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return figure


def save_rows(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A row a setting, as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{v:.6g}" if isinstance(v, float) else v for key, v in one.items()} for one in rows)
    write_atomically(folder / "causes.csv", lambda file: file.write(text.getvalue().encode()) and None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="location30.npz, or a name that jaxattack data lists")
    parser.add_argument("--records", type=int, default=2400)
    parser.add_argument("--model", default="mlp:128")
    parser.add_argument("--activation", default="tanh", choices=("tanh", "relu"))
    parser.add_argument("--models", type=int, default=8, help="of each setting; all are attacked, by the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = choose_records(load(options.data), options.records, options.seed)
    rows = [
        one
        for name, way in ways(options.model, options.activation).items()
        for one in settings(name, way, dataset, options.models, options.seed)
    ]
    ranks = {key: {attack: correlation(rows, key, f"auc_{attack}") for attack in ATTACKS} for key in PROPERTIES}
    contrasts = {key: {attack: contrast(rows, key, attack) for attack in ATTACKS} for key in PROPERTIES}
    exact = max(abs(one["auc_gap"] - 0.5 - one["accuracy_gap"] / 2) for one in rows)
    told = [
        f"The AUC of the gap attack is 1/2 + gap / 2 to {exact:.1g} in all {len(rows)} settings.",
        f"Rank correlation with the AUC of the loss: loss gap {ranks['loss_gap']['loss']:+.2f}, accuracy gap "
        f"{ranks['accuracy_gap']['loss']:+.2f}; with that of ML-Leaks 1: variance {ranks['variance']['ml-leaks-1']:+.2f}, "
        f"accuracy gap {ranks['accuracy_gap']['ml-leaks-1']:+.2f}.",
    ]
    with styled():
        save_figure(options.out, "causes", figure_of(rows, "loss"))
    save_rows(options.out, rows)
    tables = [
        rows_table(rows),
        properties_table("Rank correlation with an attack's AUC over settings", ranks),
        properties_table("AUC above a property's median less below it", contrasts),
    ]
    keep(
        options.out,
        "causes",
        {"settings": rows, "correlation": ranks, "contrast": contrasts, "told": told},
        [*tables, *told],
    )


if __name__ == "__main__":
    main()

"""False accusations on near-duplicates of members: how an auditee discredits an audit (Rezaei and Liu 2022, arXiv 2212.02701).

    python scripts/discredit.py                                 scikit-learn's digits, 16 networks of 256 units
    python scripts/discredit.py --data location30.npz --records 2400

An auditor sets a threshold by which a claimed share of non-members is accused. The auditee, who need not know the attack,
answers with records that were in no training, each made of a member or close to one; their share of accusations over the
claimed one is what discredits the audit. How they are made is ours, the paper's ways being unverified:

    noise       a member with Gaussian noise of 0.01
    shift       a member, one pixel to the right
    mix         0.9 of a member and 0.1 of the next record of its class
    nearest     the other records that are nearest to a member

LiRA's references with the original in their training stand for those that were trained on the duplicate. Beside each kind
stand the same changes of records that are no members: what is accused of both is the change and not that a member is near.
Members themselves are accused as often as the attack finds them, and duplicates of them can hardly be accused more.

Intervals are Clopper and Pearson's and take accusations by all models as independent. What is expected: of a nearest neighbour,
whose answer is the distance to the nearest member, every member with noise is accused.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from comparison import keep, save_figure
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from rich import box
from rich.table import Table

from jaxattack import Recipe, load
from jaxattack.attacks.membership import lookup
from jaxattack.audit.records import choose_records
from jaxattack.data import Halves
from jaxattack.metrics import clopper_pearson, nearest, roc_curve, tpr_at_fpr
from jaxattack.models import build
from jaxattack.report.style import INK, SERIES, styled
from jaxattack.training import train_ensemble
from jaxattack.types import Dataset

CLAIMED = (0.01, 0.001)
ATTACKS = ("loss", "lira-online")
NEIGHBOUR = "nearest neighbour, distance"
NOISE, MIX = 0.01, 0.9


class Accusations(NamedTuple):
    """What is said of records that were in no training.

    Attributes:
        accused: how many are called members.
        records: of so many.
        claimed: the share of non-members that the auditor accuses.
    """

    accused: int
    records: int
    claimed: float

    @property
    def ratio(self) -> float:
        """To the claimed share."""
        return self.accused / self.records / self.claimed

    @property
    def interval(self) -> tuple[float, float]:
        """Of the ratio, at 95%."""
        low, high = clopper_pearson(self.accused, self.records)
        return float(low) / self.claimed, float(high) / self.claimed


def duplicates(dataset: Dataset, seed: int) -> dict[str, np.ndarray]:
    """A near-duplicate of every record, by how it is made; pictures are shifted, tables are not."""
    x, y = dataset.x, dataset.y
    following = np.arange(len(y))
    for label in np.unique(y):
        of_class = np.flatnonzero(y == label)
        following[of_class] = np.roll(of_class, -1)
    made = {
        "noise": x + np.random.default_rng(seed).normal(0, NOISE, x.shape),
        "mix": MIX * x + (1 - MIX) * x[following],
    }
    if x.ndim == 4:
        made["shift"] = np.roll(x, 1, axis=2)
        made["shift"][:, :, 0] = 0
    return {name: values.astype(x.dtype) for name, values in made.items()}


def with_duplicates(dataset: Dataset, made: Mapping[str, np.ndarray]) -> Dataset:
    """The records, and behind them their duplicates, one kind after the other."""
    return dataset.extend(np.concatenate([*made.values()]), np.tile(dataset.y, len(made)), kind="duplicate")


def nearest_others(x: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Which records are, of those that are no members, the nearest to a member."""
    outside = np.flatnonzero(~member)
    chosen = np.zeros(len(x), bool)
    chosen[outside[nearest(x[member], x[outside]).record]] = True
    return chosen


def accusations(
    scores: np.ndarray, member: np.ndarray, offered: Mapping[str, tuple[np.ndarray, np.ndarray]], claimed: float
) -> dict[str, Accusations]:
    """How many of the records that are offered are accused.

    Args:
        scores: [model, record] of the original records.
        member: who is in.
        offered: by kind, [model, record] scores and whether they are offered.
        claimed: the share of non-members that the auditor accuses, of all models together.
    """
    threshold = tpr_at_fpr(roc_curve(scores.ravel(), member.ravel()), claimed).threshold
    asked = {"others": (scores, ~member), "members": (scores, member), **offered}
    return {
        kind: Accusations(int((values[chosen] >= threshold).sum()), int(chosen.sum()), claimed)
        for kind, (values, chosen) in asked.items()
    }


def offered_scores(
    scores: np.ndarray, member: np.ndarray, kinds: list[str], near: np.ndarray
) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Scores of records and of their duplicates, taken apart; of members first, then of others."""
    original, *parts = np.split(scores, 1 + len(kinds), axis=1)
    offered = {kind: (part, member) for kind, part in zip(kinds, parts, strict=True)} | {"nearest": (original, near)}
    return original, offered | {f"{kind}, of others": (part, ~member) for kind, part in zip(kinds, parts, strict=True)}


def neighbour_scores(x: np.ndarray, own: np.ndarray) -> np.ndarray:
    """What a nearest neighbour says of each record: less the distance to the nearest member."""
    return -nearest(x, own).distance


def study(dataset: Dataset, models: int, epochs: int, seed: int) -> dict[str, dict[str, list[Accusations]]]:
    """Attack -> kind -> accusations, one each of `CLAIMED`."""
    made = duplicates(dataset, seed)
    every, kinds = with_duplicates(dataset, made), [*made]
    member = Halves()(models, len(dataset), seed)
    padded = np.concatenate([member, np.zeros((models, len(every) - len(dataset)), bool)], axis=1)
    network = build("mlp:256", dataset.shape, dataset.classes)
    observations = train_ensemble(network, Recipe(epochs=epochs), every, padded, seed=seed)[1]
    of_original = replace(observations, member=np.tile(member, (1, 1 + len(made))))
    scores = {name: lookup(name)(of_original) for name in ATTACKS}
    scores[NEIGHBOUR] = np.stack([neighbour_scores(every.x, dataset.x[row]) for row in member])
    near = np.stack([nearest_others(dataset.x, row) for row in member])
    results: dict[str, dict[str, list[Accusations]]] = {}
    for attack, values in scores.items():
        original, offered = offered_scores(values, member, kinds, near)
        each = [accusations(original, member, offered, claimed) for claimed in CLAIMED]
        results[attack] = {kind: [one[kind] for one in each] for kind in each[0]}
    return results


def table(results: Mapping[str, Mapping[str, list[Accusations]]]) -> Table:
    """Shares accused and how many times the claimed one that is."""
    made = Table(title="Accused of records in no training", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("")
    for claimed in CLAIMED:
        made.add_column(f"claimed {100 * claimed:g}%", justify="right")
        made.add_column("times the claim [95%]", justify="right")
    for attack, kinds in results.items():
        made.add_row(attack, style="bold")
        for kind, each in kinds.items():
            cells = []
            for one in each:
                low, high = one.interval
                cells += [f"{one.accused} of {one.records:,}", f"{one.ratio:.1f} [{low:.1f}, {high:.1f}]"]
            made.add_row(f"  {kind}", *cells)
    return made


def draw(results: Mapping[str, Mapping[str, list[Accusations]]]) -> Figure:
    """How many times the claimed share is accused, at the first of `CLAIMED`; a bar a kind, 95% intervals."""
    figure = Figure(figsize=(6.6, 2.6))
    axes = figure.subplots()
    width = 0.8 / len(results)
    for number, (attack, kinds) in enumerate(results.items()):
        firsts = [each[0] for each in kinds.values()]
        ratio, (low, high) = np.array([one.ratio for one in firsts]), np.array([one.interval for one in firsts]).T
        axes.bar(
            np.arange(len(firsts)) + number * width, ratio, width, yerr=(ratio - low, high - ratio), label=attack,
            color=SERIES[number], error_kw={"linewidth": 0.7},
        )  # fmt: skip
        axes.set_xticks(np.arange(len(firsts)) + width, [kind.replace(", ", ",\n") for kind in kinds])
    axes.axhline(1, color=INK, linewidth=0.6)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(f"accused, times the claimed {100 * CLAIMED[0]:g}%")
    figure.legend(loc="outside upper left", ncols=len(results))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--models", type=int, default=16)
    parser.add_argument("--records", type=int)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    dataset = load(options.data)
    name = f"discredit_{Path(dataset.name).stem}"
    records = choose_records(dataset, options.records, options.seed)
    results = study(records, options.models, options.epochs, options.seed)
    plain: dict[str, Any] = {
        attack: {kind: [one._asdict() | {"interval": one.interval} for one in each] for kind, each in kinds.items()}
        for attack, kinds in results.items()
    }
    keep(options.out, name, {"accusations": plain}, [table(results)])
    with styled():
        save_figure(options.out, name, draw(results))


if __name__ == "__main__":
    main()

"""Attribute inference on the surveys of Fredrikson et al. 2015: who has cheated, who has watched x-rated movies.

    python scripts/attributes.py steak_survey.npz
    python scripts/attributes.py gss_happiness.npz

The files hold x, a row for each answer sheet with categories as codes and NaN where nothing was answered, and columns,
the questions (fivethirtyeight/data steak-risk-survey; ftramer/Steal-ML GSShappiness). Only complete sheets are used and
questions of more than two answers are one-hot. A decision tree learns one question from half of the sheets; the attacker
knows that answer and all others but the secret one. Figures are means over random halves. Where nothing is said to have
the secret, precision is left out of its mean.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.tree import DecisionTreeClassifier

from jaxattack.attacks.reconstruction import (
    Confidence,
    CountedTree,
    Knowledge,
    MaximumPosterior,
    Partial,
    Secret,
    TreeCounts,
    confusion_matrix,
)
from jaxattack.oracle import from_estimator
from jaxattack.types import Inputs


class Survey(NamedTuple):
    """What is learnt, what is secret, what is left out, and the figures of Fredrikson et al. 2015 (recalled)."""

    target: str
    secret: str
    without: tuple[str, ...]
    published: dict[str, tuple[float, float, float]]


SURVEYS = (
    Survey(
        "How do you like your steak prepared?",
        "Have you ever cheated on your significant other?",
        (),
        {"tree-counts": (0.864, 1.000, 0.211), "map": (0.858, 0.857, 0.211)},
    ),
    Survey(
        "Happiness level",
        "watched x-rated movies in the last year",
        ("id",),
        {"tree-counts": (0.803, 1.000, 0.007), "map": (0.800, 0.388, 0.010)},
    ),
)


def read(path: Path) -> tuple[Survey, np.ndarray, np.ndarray, int]:
    """The survey, its complete sheets, what they say of the target, and the secret's column."""
    with np.load(path) as file:
        table, names = file["x"], [str(name) for name in file["columns"]]
        coded = {name for number, name in enumerate(names) if f"cat_{number}" in file}
    survey = next(survey for survey in SURVEYS if survey.target in names)
    complete = table[~np.isnan(table).any(axis=1)]
    columns, secret = [], 0
    for name, answers in zip(names, complete.T, strict=True):
        if name == survey.secret:
            secret = sum(column.shape[1] for column in columns)
        several = name in coded and len(np.unique(answers)) > 2
        if name not in (survey.target, *survey.without):
            columns.append((answers[:, None] == np.unique(answers)) if several else answers[:, None])
    return (
        survey,
        np.concatenate(columns, axis=1, dtype=float),
        complete[:, names.index(survey.target)].astype(int),
        secret,
    )


class Figures(NamedTuple):
    """How good guesses of an attribute are; NaN where nothing is said to have it, or nothing has."""

    accuracy: float
    precision: float
    recall: float


def judge(value: np.ndarray, truth: np.ndarray) -> Figures:
    """Compare guesses with the truth, about those who have it."""
    right = (value == 1) & (truth == 1)
    shares = [right.sum() / side.sum() if side.any() else np.nan for side in (value == 1, truth == 1)]
    return Figures(float((value == truth).mean()), *map(float, shares))


def attack(x: np.ndarray, y: np.ndarray, secret: int, depth: int | None, seed: int) -> dict[tuple[str, str], Figures]:
    """Attack one tree: (attack, whom) -> how good it was."""
    halves = np.array_split(np.random.default_rng(seed).permutation(len(x)), 2)
    member = halves[0]
    estimator = DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(x[member], y[member])
    inputs = Inputs(low=x.min(0), high=x.max(0), categories=np.zeros(x.shape[1], int))
    attribute = Secret.category(secret, np.bincount(x[member, secret].astype(int), minlength=2) / len(member))
    figures = {}
    for whom, some in zip(("members", "held out"), halves, strict=True):
        knowledge = Knowledge(
            answers=from_estimator(estimator, inputs=inputs),
            tree=CountedTree.from_estimator(estimator),
            confusion=confusion_matrix(y[member], estimator.predict(x[member]), y.max() + 1),
            partial=Partial(x[some], y[some], attribute),
        )
        for one in (TreeCounts(), MaximumPosterior(), Confidence()):
            figures[one.name, whom] = judge(one(knowledge).value, attribute.truth(x[some]))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="steak_survey.npz or gss_happiness.npz")
    parser.add_argument("--trees", type=int, default=10, help="random halves, a tree each")
    options = parser.parse_args()
    survey, x, y, secret = read(options.data)
    share = x[:, secret].mean()
    table = Table(title=f"{survey.secret} ({len(x):,} sheets, {share:.1%} yes)", title_justify="left")
    for column in ("tree", "attack", "of", "accuracy", "precision", "recall"):
        table.add_column(column, justify="left" if column in ("tree", "attack", "of") else "right")
    for name, published in survey.published.items():
        table.add_row("published (recalled)", name, "", *(f"{value:.3f}" for value in published))
    table.add_section()
    for depth in (None, 8):
        runs = [attack(x, y, secret, depth, seed) for seed in range(options.trees)]
        for name, whom in runs[0]:
            figures = np.array([run[name, whom] for run in runs])
            cells = [
                f"{column[~np.isnan(column)].mean():.3f}" if not np.isnan(column).all() else "-" for column in figures.T
            ]
            table.add_row("full depth" if depth is None else f"depth {depth}", name, whom, *cells)
    table.add_section()
    table.add_row("", "the likelier value", "anyone", f"{max(share, 1 - share):.3f}", "-", "0.000")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()

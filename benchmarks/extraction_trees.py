"""Sections of the extraction benchmark on decision trees and binned regressions (Tramèr et al. 2016, tables 6 and 7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from extraction_theft import Row, compared, steal
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tables import Prepared, Records, asked_for, blocks, records, split

import jaxattack as ja
from jaxattack.attacks.extraction import uniform
from jaxattack.types import Extraction

TREES = {
    # name, column that a regression tree predicts, leaves: as published
    ("german_credit", "", 26): "26 leaves, 25 identities: 1,722 / 1,150 queries, 100%",
    ("steak", "", 193): "193 leaves, 28 identities: 3,652 / 4,013 queries, 92.45 / 100%",
    ("gss", "", 318): "IRS, 318 leaves, 318 identities: 101,057 / 29,609 queries, 100%",
    ("german_credit", "amount", 155): "Bitcoin, 155 leaves, 155 identities: 31,956 / 7,390 queries, 100%",
    ("breast_cancer", "", 30): "",
    ("iris", "", 8): "",
}
BINNED = {"circles": (278, 10), "digits": (650, 0), "iris": (644, 10), "adult_income": (1485, 10)}
"""Published queries, and into how many bins a number was cut; 0 for none."""


def grown(table: Records, leaves: int, seed: int, regression: bool) -> tuple[Any, np.ndarray]:
    """A tree of at most so many leaves on seven tenths of the records, categories one-hot; the other records."""
    train, test = split(Prepared(table.x, table.y), seed)
    kind = DecisionTreeRegressor if regression else DecisionTreeClassifier
    tree = kind(max_leaf_nodes=leaves, random_state=seed, min_samples_leaf=2)
    return tree.fit(blocks(train.x, table.categories), train.y), test.x


def trees(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Table 6: complete queries bottom-up, partial ones top-down; categories as such, and as numbers (their codes)."""
    for (name, target, leaves), published in TREES.items():
        table = records(name, folder)
        if table is None:
            continue
        table = asked_for(table, target) if target else table
        coded = table._replace(categories=np.zeros_like(table.categories))
        kinds = [("categories", table), ("numbers", coded)] if table.categories.any() else [("numbers", coded)]
        for kind, given in kinds:
            for seed in range(seeds):
                tree, test = grown(given, leaves, seed, bool(target))
                values = tree.tree_.value[tree.tree_.feature < 0].round(12)
                for attack in ("path-finding", "top-down"):
                    make = partial(over, tree, given, attack == "top-down")
                    found, cost = steal(attack, make(), seed)
                    yield {
                        "what": f"{name}{target and ' ' + target}, {kind}, {attack}", "published": published,
                        "leaves": int(tree.get_n_leaves()), "unique": len(np.unique(values, axis=0)),
                        "found": found.notes["leaves"], **cost, **compared_values(found, make(), test, seed),
                    }  # fmt: skip


def over(tree: Any, table: Records, partial: bool) -> ja.Oracle:
    """A tree on one-hot blocks as a service that takes the table's own records, perhaps with features missing."""
    low, high = table.x.min(axis=0), table.x.max(axis=0)
    inputs = ja.Inputs(
        low=low,
        high=np.where(high > low, high, low + 1),
        categories=table.categories,
        missing=partial,
        names=table.names,
    )
    inner = ja.oracle.from_estimator(tree, inputs=ja.Inputs.box(-1e9, 1e9, (tree.n_features_in_,)), partial=partial)
    access = ja.Access(level=inner.access.level, classes=inner.access.classes, inputs=inputs)
    return ja.oracle.from_function(lambda x: inner(blocks(x, table.categories)), access)


def compared_values(found: Extraction, twin: ja.Oracle, test: np.ndarray, seed: int) -> Row:
    """R_test and R_unif of a tree: how often the confidences, or a regression tree's value, differ at all."""
    random = uniform(twin.access.inputs, 100_000, np.random.default_rng([seed, 1]))
    row = {}
    for name, x in (("R_test", test), ("R_unif", random)):
        mine, its = found.answer(x), twin(x)
        mine, its = (value.logit if value.probability is None else value.probability for value in (mine, its))
        row[name] = float(np.mean((np.abs(mine - its) > 1e-9).any(axis=1)))
    return row


def binned(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Table 7: a pipeline of quantile bins, one-hot blocks and a regression; a missing feature is an empty block."""
    for name, (published, bins) in BINNED.items():
        table = records(name, folder)
        for seed in range(seeds) if table is not None else ():
            assert table is not None
            low, high = table.x.min(axis=0), table.x.max(axis=0)
            inputs = ja.Inputs(low=low, high=np.where(high > low, high, low + 1), categories=table.categories)
            train, test = split(Prepared(table.x, table.y), seed)
            pipeline = ja.oracle.BinnedLogistic.fit(train.x, train.y, inputs, bins=bins)
            found, cost = steal("binned", pipeline.oracle(), seed)
            pairs = list(zip(pipeline.edges, found.stolen.edges, high - low, strict=True))
            missed = sum(len(own) != len(its) for own, its, _ in pairs)
            apart = [
                np.abs(own - its).max(initial=0) / span for own, its, span in pairs if len(own) == len(its) and span
            ]
            yield {
                "what": f"{name}, {f'{bins} bins' if bins else 'no bins'}", "published": f"{published:,} queries, 100% match",
                "edges": sum(map(len, pipeline.edges)), "missed": missed, "edge_error": float(max(apart, default=0.0)),
                **cost, **compared(found, pipeline.oracle(), test.x, seed),
            }  # fmt: skip

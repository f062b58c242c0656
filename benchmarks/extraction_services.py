"""Sections of the extraction benchmark on regressions and small networks behind a prediction service (Tramèr et al. 2016)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from extraction_theft import Row, box, compared, fitted, steal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from tables import Prepared, one_hot, records, split

import jaxattack as ja
from jaxattack.attacks.extraction import Retraining
from jaxattack.attacks.extraction.campaign import grid

LINEAR = (
    "iris", "wine", "digits", "breast_cancer", "circles", "moons", "blobs", "five_classes", "adult_income", "adult_race",
    "german_credit", "mushrooms", "pima_diabetes", "steak",
)  # fmt: skip
LABELS = (
    "breast_cancer", "circles", "moons", "pima_diabetes", "german_credit", "mushrooms", "adult_income", "iris", "wine", "digits",
)  # fmt: skip
CURVES, ALPHAS = ("iris", "wine", "pima_diabetes"), (10, 25, 50, 100)
RACE = {
    "softmax?queries=265": "99.96 / 99.75, 2.6 s",
    "softmax?queries=530": "100 / 100, 3.1 s",
    "ovr?queries=265": "99.98 / 99.98",
    "ovr?queries=530": "",
    "mlp?hidden=20&queries=1112": "98.17 / 94.32, 155 s",
    "mlp?hidden=20&queries=2225": "98.68 / 97.23",
    "mlp?queries=2225": "98.68 / 97.23",
    "mlp?hidden=20&queries=4450": "99.89 / 99.82, 195 s",
    "mlp?hidden=20&queries=11125": "99.96 / 99.99, 89 s",
}


def regressions(
    names: tuple[str, ...], folder: Path | None, seeds: int
) -> Iterator[tuple[str, int, Prepared, Prepared, Callable[[], ja.Oracle]]]:
    """Logistic regressions on the tables that are there: name, seed, records trained on and not, and what makes oracles."""
    for name in names:
        table = records(name, folder)
        for seed in range(seeds) if table is not None else ():
            assert table is not None
            train, test = split(one_hot(table), seed)
            yield name, seed, train, test, fitted(LogisticRegression(max_iter=300), train)


def linear(folder: Path | None, seeds: int) -> Iterator[Row]:
    """The smallest number of queries that determines a linear model."""
    for name, seed, train, test, make in regressions(LINEAR, folder, seeds):
        found, cost = steal("softmax", make(), seed)
        classes = len(np.unique(train.y))
        yield {
            "what": f"{name}: d {train.x.shape[1]}, {classes} classes", "published": "R 0; 41 queries on average" if classes == 2 else "",
            **cost, **compared(found, make(), test.x, seed),
        }  # fmt: skip


def race(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Table 4: softmax, one-vs-rest and a network of 20 tanh units at the paper's budgets."""
    table = records("adult_race", folder)
    for seed in range(seeds) if table is not None else ():
        assert table is not None
        train, test = split(one_hot(table), seed)
        victims = {
            "softmax": fitted(LogisticRegression(max_iter=300), train),
            "ovr": fitted(OneVsRestClassifier(LogisticRegression(max_iter=300)), train),
            "mlp": fitted(MLPClassifier((20,), activation="tanh", max_iter=100, random_state=seed), train),
        }
        for attack, rows in RACE.items():
            make = victims[attack.partition("?")[0]]
            found, cost = steal(attack, make(), seed)
            yield {
                "what": attack, "published": f"1 - R_test / 1 - R_unif {rows}",
                **cost, **compared(found, make(), test.x, seed),
            }  # fmt: skip


def rounding(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Softmax on digits, rounded answers: plain least squares, and weights within the bounds of the answers."""
    table = records("digits", folder)
    assert table is not None
    published = {5: "no effect", 4: "no effect", 3: "R_test 2e-5", 2: "R_test 3e-3"}
    for seed in range(seeds):
        train, test = split(one_hot(table), seed)
        make = fitted(LogisticRegression(max_iter=300), train)
        for decimals, rows in published.items():
            for attack in ("softmax?queries=650", "rounded?queries=325", "rounded?queries=650"):
                found, cost = steal(attack, ja.oracle.rounded(make(), decimals), seed)
                yield {
                    "what": f"{decimals} decimals, {attack}", "published": f"{rows} (650)",
                    **cost, **compared(found, make(), test.x, seed),
                }  # fmt: skip


def kernel(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Kernel logistic regression on digits with 20 representers: how far each stolen one is from a training record."""
    table = records("digits", folder)
    assert table is not None
    for seed in range(seeds):
        train, test = split(one_hot(table), seed)
        kept = train.x[np.random.default_rng(seed).choice(len(train.x), 20, replace=False)]
        gamma = 1 / (train.x.shape[1] * train.x.var())
        model = LogisticRegression(max_iter=2000).fit(rbf_kernel(train.x, kept, gamma=gamma), train.y)
        access = ja.Access(level="probability", classes=10, inputs=box(train.x))

        def answer(x, kept=kept, gamma=gamma, model=model):
            return model.predict_proba(rbf_kernel(x, kept, gamma=gamma))

        found, cost = steal("kernel", ja.oracle.from_function(answer, access), seed)
        apart = ja.metrics.nearest(found.parameters["representer"], train.x).distance
        yield {
            "what": "digits, 20 representers", "published": "1,490 unknowns; representers look like digits",
            **cost, **compared(found, ja.oracle.from_function(answer, access), test.x, seed),
            "representers": len(apart), "from_a_record": float(apart.max()),
        }  # fmt: skip


def labels(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Labels alone, in multiples of the queries that equation solving takes."""
    for name, seed, train, test, make in regressions(LABELS, folder, seeds):
        features, classes = train.x.shape[1], len(np.unique(train.y))
        oracle = ja.oracle.label_only(make())
        if len(np.unique(make()(train.x).label)) < 2:
            continue  # a line through circles may leave all records on one side: nothing is there to steal
        if classes == 2:
            found, cost = steal("lowd-meek", oracle, seed, train.x)
            yield {
                "what": f"{name}: lowd-meek, 50 (d + 1) = {50 * (features + 1):,}", "published": "R about 0 at 50 (d + 1)",
                **cost, **compared(found, make(), test.x, seed),
            }  # fmt: skip
        budget = 100 * (classes if classes > 2 else 1) * (features + 1)
        found, cost = steal(f"adaptive-retraining?budget={budget}", ja.oracle.label_only(make()), seed)
        yield {
            "what": f"{name}: adaptive retraining, 100 c (d + 1)", "published": "over 99.9% agreement",
            **cost, **compared(found, make(), test.x, seed),
        }  # fmt: skip


def curves(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Retraining on labels alone, every budget and seed in lockstep; budgets in queries for each unknown."""
    for name in CURVES:
        table = records(name, folder)
        if table is None:
            continue
        train, test = split(one_hot(table), 0)
        make = fitted(LogisticRegression(max_iter=300), train)
        unknowns = max(make().access.classes, 2) * (train.x.shape[1] + 1)
        budgets = [alpha * unknowns for alpha in ALPHAS]
        for strategy in ("adaptive", "line-search", "uniform"):
            wall, cpu = time.perf_counter(), time.process_time()
            found = grid(
                Retraining(strategy=strategy), ja.oracle.label_only(make()), budgets=budgets, seeds=range(seeds)
            )
            share = 1 / (len(budgets) * seeds)
            spent = {
                "seconds": share * (time.perf_counter() - wall),
                "cpu_seconds": share * (time.process_time() - cpu),
            }
            for alpha, row in zip(ALPHAS, found, strict=True):
                for seed, one in enumerate(row):
                    yield {
                        "what": f"{name}: {strategy}, {alpha} c (d + 1)",
                        "published": "softmax over 99.9% at 100 c (d + 1)" if (strategy, alpha) == ("adaptive", 100) else "",
                        "queries": one.cost.queries, "calls": one.cost.calls, **spent, "complete": one.converged,
                        **compared(one, make(), test.x, seed),
                    }  # fmt: skip

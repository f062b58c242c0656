"""Is an extraction ever called complete that is wrong? Attacks of every kind on victims that they may not fit.

    python scripts/completeness.py [--runs 400] [--seed 0] [--out completeness.json]

Victims are estimators of scikit-learn, 10 kinds on 5 data sets (raw columns of wine, breast cancer, digits and iris, and
circles), fitted on half of the records. Each answers on five terms: as fully as it can, with confidences, with confidences
of 3 decimals, with the most likely class and its confidence, and with labels. Of all victims, terms and attacks so many
combinations are drawn, each attack equally often; every other run is given a pool of records, and an attack that starts
from one always. An extraction is wrong where labels agree below .97 on 2,000 fresh uniform inputs, or on
the records that nobody has seen. It ends with an error where an attack raises anything but `InputError`.
"""

from __future__ import annotations

import argparse
import json
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_circles
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import jaxattack as ja

RIGHT = 0.97
BUDGET = 4000
"""Queries that every run may ask, its verification included."""


def columns(table: Any, chosen: slice) -> tuple[np.ndarray, np.ndarray]:
    """Some of a table's columns, so that every attack ends in seconds."""
    return table[0][:, chosen], table[1]


DATA: dict[str, Callable[[], Any]] = {
    "wine": lambda: load_wine(return_X_y=True),
    "breast_cancer": lambda: columns(load_breast_cancer(return_X_y=True), slice(10)),
    "digits": lambda: columns(load_digits(return_X_y=True), slice(18, 30)),
    "iris": lambda: load_iris(return_X_y=True),
    "circles": lambda: make_circles(400, noise=0.05, factor=0.5, random_state=0),
}
MODELS: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(10, max_depth=5, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=10, random_state=0),
    "svc": lambda: SVC(),
    "neighbours": lambda: KNeighborsClassifier(),
    "naive-bayes": lambda: GaussianNB(),
    "mlp": lambda: MLPClassifier((8,), max_iter=200, random_state=0),
    "gaussian-process": lambda: GaussianProcessClassifier(random_state=0),
    "tree": lambda: DecisionTreeClassifier(max_leaf_nodes=20, random_state=0),
    "logistic": lambda: LogisticRegression(max_iter=300),
    "one-vs-rest": lambda: OneVsRestClassifier(LogisticRegression(max_iter=300)),
}
TERMS: dict[str, Callable[[ja.Oracle], ja.Oracle]] = {
    "fullest": lambda oracle: oracle,
    "probability": lambda oracle: oracle,
    "3 decimals": lambda oracle: ja.oracle.rounded(oracle, 3),
    "top 1": lambda oracle: ja.oracle.top_k(oracle, 1),
    "label": ja.oracle.label_only,
}
ATTACKS = (
    "softmax", "softmax?queries=400", "ovr", "mlp?hidden=3&starts=2", "kernel", "rounded", "hypotheses", "path-finding",
    "lowd-meek", "relu", "adaptive-retraining?budget=600&rounds=2", "uniform-retraining?budget=600&substitute=softmax",
    "knockoff-random?budget=60&rounds=2&substitute=softmax", "active-uncertainty?budget=60&rounds=2&substitute=softmax",
)  # fmt: skip


class Fitted(NamedTuple):
    """A fitted estimator and the records around it.

    Attributes:
        model: the estimator.
        inputs: the range of all records.
        pool: records of the attacker's.
        unseen: records of nobody's.
    """

    model: Any
    inputs: ja.Inputs
    pool: np.ndarray
    unseen: np.ndarray


class Run(NamedTuple):
    """One attack on one victim.

    Attributes:
        data: the data set.
        model: the kind of victim.
        terms: on which it answers.
        attack: by name.
        pool: whether records were given.
        end: complete, incomplete, refused or error.
        wrong: whether it is.
        queries: all that were asked.
        reason: what it says of itself, or the error.
        seconds: of processor time.
    """

    data: str
    model: str
    terms: str
    attack: str
    pool: bool
    end: str
    wrong: bool = False
    queries: int = 0
    reason: str = ""
    seconds: float = 0.0


def fitted(data: str, model: str) -> Fitted:
    """An estimator on half of the records of a data set; the others are the pool and the unseen ones, in equal parts."""
    x, y = DATA[data]()
    order = np.random.default_rng(0).permutation(len(x))
    members, pool, unseen = order[: len(x) // 2], order[len(x) // 2 : 3 * len(x) // 4], order[3 * len(x) // 4 :]
    low, high = x.min(axis=0), x.max(axis=0)
    inputs = ja.Inputs(
        low=low, high=np.where(high > low, high, low + 1), categories=np.zeros(x.shape[1], int), names=()
    )
    with warnings.catch_warnings(action="ignore"):  # how well it has learnt is not the question
        return Fitted(MODELS[model]().fit(x[members], y[members]), inputs, x[pool], x[unseen])


def answering(victim: Fitted, terms: str) -> ja.Oracle:
    """A victim on its terms; as much as it can answer where it has no confidences."""
    able = hasattr(victim.model, "predict_proba")
    level = "logit" if terms == "fullest" and hasattr(victim.model, "decision_function") else "probability"
    return TERMS[terms](ja.oracle.from_estimator(victim.model, inputs=victim.inputs, level=level if able else "logit"))


def attempt(victim: Fitted, name: tuple[str, str, str, str], with_pool: bool) -> Run:
    """Run one attack and judge it."""
    data, model, terms, address = name
    attack = ja.attacks.extraction.lookup(address)
    with_pool = with_pool or attack.pool
    run = Run(data, model, terms, address, with_pool, "refused")
    try:
        oracle = ja.oracle.budgeted(answering(victim, terms), BUDGET)
        stolen = attack(oracle, pool=victim.pool if with_pool else None)
    except ja.InputError as error:
        return run._replace(reason=str(error))
    except Exception:  # what any attack raises is what is looked for
        return run._replace(end="error", reason=traceback.format_exc())
    twin, rng = answering(victim, terms), np.random.default_rng(1)
    wrong = any(
        np.mean(stolen.answer(x).label == twin(x).label) < RIGHT
        for x in (ja.attacks.extraction.uniform(victim.inputs, 2000, rng), victim.unseen)
    )
    end = "complete" if stolen.complete else "incomplete"
    return run._replace(end=end, wrong=wrong, queries=oracle.ledger.queries, reason=stolen.reason)


def combinations(runs: int, seed: int) -> Iterator[tuple[str, str, str, str]]:
    """Victims, terms and attacks: all attacks in turn, each of them on victims and terms in an order of its own."""
    rng = np.random.default_rng(seed)
    grid = [(data, model, terms) for data in DATA for model in MODELS for terms in TERMS]
    orders = {attack: rng.permutation(len(grid)) for attack in ATTACKS}
    for number in range(runs):
        attack = ATTACKS[number % len(ATTACKS)]
        yield (*grid[orders[attack][number // len(ATTACKS) % len(grid)]], attack)


def study(runs: int, seed: int) -> Iterator[Run]:
    """Every run, as it ends."""
    victims: dict[tuple[str, str], Fitted] = {}
    for number, name in enumerate(combinations(runs, seed)):
        if name[:2] not in victims:
            victims[name[:2]] = fitted(*name[:2])
        begin = time.process_time()
        run = attempt(victims[name[:2]], name, number // len(ATTACKS) % 2 == 0)
        yield run._replace(seconds=time.process_time() - begin)


def show(console: Console, runs: list[Run]) -> None:
    """Totals, by attack and in all."""
    made = Table()
    for column in ("attack", "runs", "complete", "complete and wrong", "incomplete", "refused", "errors"):
        made.add_column(column, justify="left" if column == "attack" else "right")
    for attack in (*ATTACKS, "all"):
        own = [run for run in runs if attack in (run.attack, "all")]
        ends = Counter(run.end for run in own)
        lies = sum(run.end == "complete" and run.wrong for run in own)
        counts = (len(own), ends["complete"], lies, ends["incomplete"], ends["refused"], ends["error"])
        made.add_row(attack, *map(str, counts))
    console.print(made)


def main() -> None:
    """Run them, and write each down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("completeness.json"))
    arguments = parser.parse_args()
    console, runs, begin = Console(), [], time.perf_counter()
    for run in study(arguments.runs, arguments.seed):
        runs.append(run)
        arguments.out.write_text(json.dumps([one._asdict() for one in runs], indent=1))
        if run.end == "error" or (run.end == "complete" and run.wrong):
            console.print(f"{'/'.join(run[:4])}: {run.reason or 'complete and wrong'}")
    show(console, runs)
    console.print(f"{len(runs)} runs in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()

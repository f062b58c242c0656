"""What it costs to steal a model: the published tables of model extraction, and ours beside them.

    python benchmarks/extraction.py [--tables FOLDER] [--only linear relu ...] [--seeds 5] [--out extraction.json]

Sections, each with the rows of its paper where there are any:

    linear    logistic and softmax regression from d + 1 queries (Tramèr et al. 2016, section 4.1)
    race      softmax, one-vs-rest and a tanh network on Adult-Race (their Table 4)
    rounding  confidences rounded to so many decimals (their Figure 5)
    kernel    kernel logistic regression, whose representers are training records (their section 4.1.3)
    trees     decision trees by path finding, complete and partial queries (their Table 6)
    binned    binning and one-hot encoding before a regression, as Amazon's service did (their Table 7)
    labels    labels alone: Lowd-Meek and adaptive retraining (their section 6)
    curves    labels alone: agreement against queries, of three ways to choose them
    relu      exact extraction of networks with one hidden layer (Carlini, Jagielski, Mironov 2020)
    deep      with two and three hidden layers
    heldout   exact extraction of networks of other shapes, that nothing was tuned on, and of networks trained by scikit-learn and
              answered through ONNX in float64 and float32, as numbers, softmax and sigmoid, on which float32 and sigmoid were tuned
    head      the last layer of a language model (Carlini et al. 2024)

Queries are the attack's own, without those that verify what was stolen, and errors are exact; seconds are of this process, oracle included, on the device that is printed. Every row is a
mean over seeds, which draw the victim, its split and the attack. R_test and R_unif are the shares of held-out records and of
10,000 random inputs on which the labels differ. Tables that no package embeds are read from `--tables` (`tables.py`), and
their rows are left out where it is absent.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from rich.console import Console
from rich.table import Table
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tables import Prepared, Records, asked_for, blocks, one_hot, records, split

import jaxattack as ja
from jaxattack.attacks.extraction import ReluNetwork, Retraining, align, logits, uniform
from jaxattack.attacks.extraction.campaign import grid
from jaxattack.audit.environment import device
from jaxattack.types import Draft, Extraction

LINEAR = (
    "iris", "wine", "digits", "breast_cancer", "circles", "moons", "blobs", "five_classes", "adult_income", "adult_race",
    "german_credit", "mushrooms", "pima_diabetes", "steak",
)  # fmt: skip
LABELS = (
    "breast_cancer", "circles", "moons", "pima_diabetes", "german_credit", "mushrooms", "adult_income", "iris", "wine", "digits",
)  # fmt: skip
CURVES, ALPHAS = ("iris", "wine", "pima_diabetes"), (10, 25, 50, 100)
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
RELU = {
    (10, 20, 1): "their code: 14,772 to 17,386 queries, 6 CPU-s",
    (100, 32, 1): "their code: 254,030 to 481,853 queries, 47 to 55 CPU-s",
    (784, 32, 1): "their code: no end within 25 minutes",
    (784, 128, 1): "2^21.5 queries, max |f - f'| 2^-25 (MNIST-trained)",
}
DEEP = {
    (10, 15, 15, 1): "their code: 84,610 to 95,168 queries, 28 to 30 CPU-s",
    (40, 20, 10, 10, 1): "2^19.3 (664,000) queries",
    (80, 40, 20, 1): "2^18.5 queries, 2^-40.4",
}

HELD_OUT = 20261129
"""The seed of victims: random ones that nothing was tuned on, and trained ones on which the reading of float32 and of one sigmoid was."""

SHAPES = (
    (25, 12, 1), (50, 60, 1), (120, 24, 4), (7, 14, 2), (30, 20, 1), (300, 40, 1), (64, 48, 3),
    (20, 10, 10, 1), (16, 12, 8, 3), (12, 10, 8, 6, 2),
)  # fmt: skip
TRAINED = {
    # data, hidden widths, the last operator of the graph: seed
    ("diabetes", (16,), ""): 0, ("diabetes", (24,), ""): 1, ("wine", (12,), ""): 0, ("wine", (12,), "Softmax"): 1,
    ("digits", (24,), ""): 0, ("digits", (16,), "Softmax"): 1, ("breast_cancer", (12,), "Sigmoid"): 0,
    ("breast_cancer", (20,), "Sigmoid"): 1, ("diabetes", (12, 8), ""): 0, ("wine", (10, 8), ""): 0,
}  # fmt: skip

Row = dict[str, Any]


def steal(attack: str, oracle: ja.Oracle, seed: int, pool: np.ndarray | None = None) -> tuple[Extraction, Row]:
    """Run an attack by name; what it cost."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = ja.attacks.extraction.lookup(attack)(oracle, seed=seed, pool=pool)
    return found, {
        "queries": found.attack_cost.queries,
        "calls": found.attack_cost.calls,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "complete": found.complete,
    }


def compared(found: Extraction | Draft, twin: ja.Oracle, test: np.ndarray, seed: int, inputs: int = 10_000) -> Row:
    """R_test, R_unif and total variation; the twin is the same victim, uncounted."""
    random = uniform(twin.access.inputs, inputs, np.random.default_rng([seed, 1]))
    on_test, on_random = (ja.metrics.fidelity(twin(x), found.answer(x)) for x in (test, random))
    return {
        "R_test": on_test.disagreement,
        "R_unif": on_random.disagreement,
        "variation": max(on_test.variation_max or 0, on_random.variation_max or 0),
    }


def box(x: np.ndarray) -> ja.Inputs:
    """What a service trained on prepared records documents: every feature from -1 or 0 to 1."""
    low = np.where(x.min(axis=0) < 0, -1.0, 0.0)
    return ja.Inputs(low=low, high=np.ones(x.shape[1]), categories=np.zeros(x.shape[1], int))


def fitted(estimator: Any, train: Prepared, **terms: Any) -> Callable[[], ja.Oracle]:
    """Makes oracles over one fitted estimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(train.x, train.y)
    return lambda: ja.oracle.from_estimator(estimator, inputs=box(train.x), **terms)


def linear(folder: Path | None, seeds: int) -> Iterator[Row]:
    """The smallest number of queries that determines a linear model."""
    for name in LINEAR:
        table = records(name, folder)
        for seed in range(seeds) if table is not None else ():
            assert table is not None
            train, test = split(one_hot(table), seed)
            make = fitted(LogisticRegression(max_iter=300), train)
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


def labels(folder: Path | None, seeds: int) -> Iterator[Row]:
    """Labels alone, in multiples of the queries that equation solving takes."""
    for name in LABELS:
        table = records(name, folder)
        for seed in range(seeds) if table is not None else ():
            assert table is not None
            train, test = split(one_hot(table), seed)
            make = fitted(LogisticRegression(max_iter=300), train)
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


def network(sizes: tuple[int, ...], seed: int | tuple[int, int]) -> ReluNetwork:
    """Normal weights of variance 1 / fan-in, normal biases of a tenth."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    return ReluNetwork(
        tuple(rng.normal(size=(after, before)) / np.sqrt(before) for before, after in pairs),
        tuple(0.1 * rng.normal(size=after) for _, after in pairs),
    )


def exact(attack: str, sizes: tuple[int, ...], seed: int) -> Row:
    """One random network stolen, and how far its function and its parameters are off."""
    victim = network(sizes, seed)
    inputs = ja.Inputs.box(0, 1, sizes[:1])
    access = ja.Access(level="logit", classes=sizes[-1], inputs=inputs)
    found, cost = steal(attack, ja.oracle.from_function(lambda x: logits(victim, x), access), seed)
    x = uniform(inputs, 10_000, np.random.default_rng([seed, 1]))
    logit = found.answer(x).logit
    assert logit is not None
    apart = np.abs(logit - logits(victim, x)).max()
    lined = align(found.stolen, victim).error if isinstance(found.stolen, ReluNetwork) else np.inf
    return {
        **cost,
        "function_log2": float(np.log2(apart)),
        "parameter_log2": float(np.log2(lined)) if np.isfinite(lined) else None,
    }


def relu(_: Path | None, seeds: int) -> Iterator[Row]:
    """One hidden layer, before and after refinement."""
    for sizes, published in RELU.items():
        for seed in range(seeds):
            for refine in ("false", "true"):
                found = exact(f"relu?refine={refine}", sizes, seed)
                yield {
                    "what": f"{'-'.join(map(str, sizes))}{', refined' if refine == 'true' else ''}",
                    "published": published,
                    **found,
                }


def deep(_: Path | None, seeds: int) -> Iterator[Row]:
    """Two and three hidden layers."""
    for sizes, published in DEEP.items():
        for seed in range(seeds):
            found = exact(f"relu-deep?hidden={'-'.join(map(str, sizes[1:-1]))}", sizes, seed)
            yield {"what": "-".join(map(str, sizes)), "published": published, **found}


def trained(name: str, hidden: tuple[int, ...], seed: int) -> ReluNetwork:
    """A network of scikit-learn's, trained on standardised features divided by 3."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x = StandardScaler().fit_transform(x) / 3
    learner = MLPRegressor if name == "diabetes" else MLPClassifier
    y = (y - y.mean()) / y.std() if name == "diabetes" else y
    settings = {"alpha": 1e-3, "max_iter": 150, "learning_rate_init": 3e-3, "random_state": HELD_OUT + seed}
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        model = learner(hidden_layer_sizes=hidden, **settings).fit(x, y)
    return ReluNetwork(tuple(w.T.copy() for w in model.coefs_), tuple(b.copy() for b in model.intercepts_))


def onnx_file(network: ReluNetwork, precision: str, last: str, folder: Path) -> Path:
    """The network as an ONNX graph that computes in that precision and ends in that operator."""
    nodes, numbers, signal = [], {}, "x"
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        numbers |= {f"w{layer}": weight.T.astype(precision), f"b{layer}": bias.astype(precision)}
        nodes.append(onnx.helper.make_node("Gemm", [signal, f"w{layer}", f"b{layer}"], [f"z{layer}"]))
        signal = f"z{layer}"
        if layer < len(network.weights) - 1:
            nodes.append(onnx.helper.make_node("Relu", [signal], [f"a{layer}"]))
            signal = f"a{layer}"
    if last:
        nodes.append(onnx.helper.make_node(last, [signal], ["p"]))  # of softmax the last axis is the default
        signal = "p"
    kind = onnx.TensorProto.DOUBLE if precision == "float64" else onnx.TensorProto.FLOAT
    inputs, outputs = (
        [onnx.helper.make_tensor_value_info(name, kind, ["N", width])]
        for name, width in (("x", network.sizes[0]), (signal, network.sizes[-1]))
    )
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = onnx.helper.make_graph(nodes, "network", inputs, outputs, weights)
    path = folder / "network.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def theft(oracle: ja.Oracle, victim: ReluNetwork, seed: int) -> Row:
    """A network stolen: how many bits of the spread of its answers are right, and queries an unknown."""
    widths = victim.sizes[1:-1]
    attack = f"relu?hidden={widths[0]}" if len(widths) == 1 else f"relu-deep?hidden={'-'.join(map(str, widths))}"
    try:
        stolen, cost = steal(attack, oracle, seed)
    except ja.InputError:
        return {"queries": oracle.ledger.queries, "calls": oracle.ledger.calls, "seconds": 0.0, "complete": False}
    x = uniform(oracle.access.inputs, 10_000, np.random.default_rng([HELD_OUT, seed]))
    mine, truth = logits(stolen.stolen, x), logits(victim, x)
    if oracle.access.level == "probability":  # which tells logits up to what all classes share
        truth = truth if truth.shape[1] > 1 else np.hstack([np.zeros_like(truth), truth])
        mine, truth = (part - part.mean(axis=1, keepdims=True) for part in (mine, truth))
    unknowns = sum(part.size for part in victim.parameters.values())
    bits = np.log2(np.ptp(truth) / max(float(np.abs(mine - truth).max()), np.finfo(float).tiny))
    return {**cost, "bits": float(bits), "queries_per_unknown": cost["queries"] / unknowns}


def heldout(_: Path | None, seeds: int) -> Iterator[Row]:
    """Random victims that nothing was tuned on, and trained ones behind ONNX."""
    for sizes in SHAPES:
        for seed in range(seeds):
            victim = network(sizes, (HELD_OUT, seed))
            access = ja.Access(level="logit", classes=sizes[-1], inputs=ja.Inputs.box(0, 1, sizes[:1]))
            oracle = ja.oracle.from_function(partial(logits, victim), access)
            yield {"what": "-".join(map(str, sizes)), "published": "", **theft(oracle, victim, seed)}
    for precision in ("float64", "float32"):
        for (name, hidden, last), seed in TRAINED.items():
            victim = trained(name, hidden, seed)
            with tempfile.TemporaryDirectory() as folder:
                path = onnx_file(victim, precision, last, Path(folder))
                oracle = ja.oracle.from_onnx(path, level="probability" if last else "logit")
            what = f"{precision} ONNX, {name} {'-'.join(map(str, hidden))} {last.lower()}".strip()
            yield {"what": what, "published": "", **theft(oracle, victim, seed)}


def head(_: Path | None, seeds: int) -> Iterator[Row]:
    """512 x 32,000 in float32, from all logits."""
    for seed in range(seeds):
        states, projection, inputs = ja.oracle.random_head(32_000, 512, seed=seed)
        found, cost = steal("lm-head", ja.oracle.from_head(states, projection, inputs=inputs), seed)
        yield {
            "what": "512 x 32,000, float32 logits", "published": "", **cost,
            "hidden": found.stolen.hidden, "rms": ja.metrics.align_rms(found.stolen.projection, projection),
        }  # fmt: skip


SECTIONS: dict[str, Callable[[Path | None, int], Iterator[Row]]] = {
    "linear": linear, "race": race, "rounding": rounding, "kernel": kernel, "trees": trees, "binned": binned, "labels": labels,
    "curves": curves, "relu": relu, "deep": deep, "heldout": heldout, "head": head,
}  # fmt: skip


def summed_up(rows: list[Row]) -> list[Row]:
    """Rows of one name as one: means, and standard deviations over seeds."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["what"]].append(row)
    return [_mean(what, group) for what, group in groups.items()]


def _mean(what: str, group: list[Row]) -> Row:
    made: Row = {
        "what": what,
        "published": group[0]["published"],
        "seeds": len(group),
        "complete": sum(row["complete"] for row in group),
    }
    for name in group[0]:
        values = [
            row[name] for row in group if isinstance(row.get(name), int | float) and not isinstance(row[name], bool)
        ]
        if values:
            made[name] = {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
                          "least": float(min(values)), "most": float(max(values))}  # fmt: skip
    return made


def show(console: Console, section: str, rows: list[Row]) -> None:
    """One section as a table."""
    measures = [name for name in rows[0] if isinstance(rows[0][name], dict) and name not in ("queries", "seconds")]
    made = Table(title=section, title_justify="left")
    for column in ("what", "n", "done", "queries", "seconds", *measures, "published"):
        made.add_column(column, overflow="fold", justify="left" if column in ("what", "published") else "right")
    for row in rows:
        cells = [f"{row[name]['mean']:.3g}" if name in row else "" for name in measures]
        queries, seconds = row["queries"], row["seconds"]
        made.add_row(
            row["what"], str(row["seeds"]), str(row["complete"]), f"{queries['mean']:,.0f} ± {queries['sd']:,.0f}",
            f"{seconds['mean']:.2f} ± {seconds['sd']:.2f}", *cells, row["published"],
        )  # fmt: skip
    console.print(made)


def main() -> None:
    """Run the sections and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, help="folder of adult.npz, german_credit.npz, ...")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("extraction.json"))
    arguments = parser.parse_args()
    console = Console()
    results: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"sections": {}}
    packages = ("jaxattack", "jax", "numpy", "scipy", "scikit-learn")
    results["environment"] = {name: version(name) for name in packages} | {
        "python": platform.python_version(), "device": device(),
    }  # fmt: skip
    for section in arguments.only:
        rows: list[Row] = []
        for row in SECTIONS[section](arguments.tables, arguments.seeds):
            rows.append(row)
            # What is there is kept, should a later row take longer than one wants to wait.
            results["sections"][section] = summed_up(rows)
            arguments.out.write_text(json.dumps(results, indent=1))
        if rows:
            show(console, section, summed_up(rows))
        else:
            console.print(f"{section}: no table at hand; give --tables.")


if __name__ == "__main__":
    main()

"""Sections of the extraction benchmark on ReLU networks and the last layer of a language model (Carlini et al. 2020, 2024)."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from extraction_theft import Row, steal
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

import jaxattack as ja
from jaxattack.attacks.extraction import ReluNetwork, align, logits, uniform

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

"""The distance to the boundary of many records and models in one program, beside a loop over another library's HopSkipJump.

    python benchmarks/boundary.py [--models 64] [--records 1000] [--art /elsewhere/bin/python] [--out boundary.json]

Figures to reach on 2 CPU cores: ten times the records per second of a loop over the Adversarial Robustness Toolbox's
HopSkipJump on the same weights, at about as many queries, with equal distances to within 5%. The toolbox is asked in an
environment of its own, whose Python is given; without one the loop is left out. The networks are mlp:64, each trained on half
of as many of scikit-learn's digits. The toolbox's first points are uniform over the range of pixels, and it ends on a step
without the bisection that follows each of the others; its distances are told with that bisection too.

The second table is of linear models, whose distance is known: the median relative error of 60 of them by features and
queries, beside what a plain loop elsewhere reached.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxattack.data import Halves, load
from jaxattack.models import build
from jaxattack.perturb.hop_skip_jump import Region, distance, plan, traced
from jaxattack.signals import BoundaryDistance
from jaxattack.training import Queries, Recipe, train_ensemble
from jaxattack.training.afterwards import ask_afterwards
from jaxattack.training.learners import Standard
from jaxattack.training.program import Work
from jaxattack.types import Dataset

QUERIES = 2500
SIGNAL = BoundaryDistance(queries=QUERIES)
RECIPE = Recipe(epochs=10, batch=50, learning_rate=0.003)
ITERATIONS = 10  # of the toolbox's own: about as many queries
LINEAR = 60
ELSEWHERE = {64: {500: 0.25, 1000: 0.09, 2500: 0.032, 5000: 0.017}, 784: {500: 2.0, 1000: 0.68, 2500: 0.27, 5000: 0.14}}


def networks(models: int, dataset: Dataset) -> tuple[Any, Work, np.ndarray]:
    """Networks that know half of the records each, how they are asked, and who knows what."""
    member = Halves()(models, len(dataset), 0)
    model, learner = build("mlp:64", dataset.shape, dataset.classes), Standard(recipe=RECIPE)
    ensemble, _ = train_ensemble(model, learner, dataset, member)
    work = Work(model, learner, Queries(), (SIGNAL,), int(member.sum(axis=1).max()), dataset.classes)
    return ensemble.variables, work, member


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Records per second of our program, and of the loop."""
    dataset = load("digits").take(np.arange(options.records))
    variables, work, member = networks(options.models, dataset)

    def ask() -> tuple[np.ndarray, float, float]:
        begin, processor = time.perf_counter(), time.process_time()
        distances = ask_afterwards(work, 0, dataset, np.arange(options.models), member, variables)[SIGNAL.name]
        return distances[:, :, 0], time.perf_counter() - begin, time.process_time() - processor

    first = ask()[1]
    distances, seconds, processor = ask()
    together = {
        "models": options.models, "records": options.records, "queries": QUERIES,
        "first_seconds": first, "seconds": seconds, "processor_seconds": processor,
        "records_per_second": distances.size / seconds,
    }  # fmt: skip
    return together | (loop(options, dataset, variables, distances) if options.art else {})


def loop(options: argparse.Namespace, dataset: Dataset, variables: Any, distances: np.ndarray) -> dict[str, Any]:
    """The toolbox on a few pairs of a model and a record that it labels right."""
    rng = np.random.default_rng(0)
    right = np.argwhere(distances > 0)
    pairs = right[rng.choice(len(right), options.pairs, replace=False)]
    first, last = (jax.tree.map(np.asarray, variables.params["layers"][number]) for number in (0, 1))
    x = dataset.x.reshape(len(dataset), -1).astype(np.float32) / 127.5 - 1
    with tempfile.TemporaryDirectory() as folder:
        networks_file, distances_file = (Path(folder) / name for name in ("networks.npz", "distances.npz"))
        weights = {"w1": first["kernel"], "b1": first["bias"], "w2": last["kernel"], "b2": last["bias"]}
        np.savez(networks_file, **weights, x=x, pairs=pairs, iterations=ITERATIONS)
        subprocess.run(
            [options.art, Path(__file__).with_name("art_loop.py"), networks_file, distances_file], check=True
        )
        theirs = dict(np.load(distances_file))
    ours = distances[tuple(pairs.T)]
    ratio = lambda other: float(np.median(ours / other))  # noqa: E731
    return {
        "pairs": options.pairs,
        "loop_queries": float(theirs["queries"].mean()),
        "loop_records_per_second": options.pairs / float(theirs["seconds"]),
        "distance_over_loop": ratio(theirs["distance"]),
        "distance_over_loop_bisected": ratio(theirs["projected"]),
        "mean_distance": float(ours.mean()),
        "mean_loop_distance_bisected": float(theirs["projected"].mean()),
    }


def linear_errors(features: int, queries: int) -> float:
    """The median relative error of the distance on linear models."""
    rng = np.random.default_rng(0)
    w, x = (jnp.asarray(rng.standard_normal((LINEAR, features)), jnp.float32) for _ in range(2))
    own = jnp.sign((w * x).sum(axis=1))
    keys = jax.random.split(jax.random.key(3), LINEAR)
    region = Region(-jnp.inf, jnp.inf, 1.0)

    def search(x):
        return traced(
            lambda point, _: jnp.sign((w * point).sum(axis=1)) != own, keys, x, region, plan(queries, features)
        )

    far = jnp.abs((w * x).sum(axis=1)) / jnp.linalg.norm(w, axis=1)
    return float(jnp.median(jnp.abs(distance(jax.jit(search)(x)) / far - 1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=64)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=100, help="models and records that the loop goes through")
    parser.add_argument("--art", help="Python of an environment with adversarial-robustness-toolbox")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = {"together": measure(options)}
    errors = {d: {n: linear_errors(d, n) for n in row} for d, row in ELSEWHERE.items()}
    table = Table(
        title=f"{options.models} models x {options.records} records x {QUERIES} queries", title_justify="left"
    )
    table.add_column("figure")
    table.add_column("", justify="right")
    for name, value in result["together"].items():
        table.add_row(name.replace("_", " "), f"{value:,.3f}" if isinstance(value, float) else f"{value:,}")
    linear = Table(title="Median relative error on linear models", title_justify="left")
    for column in ("features", "queries", "error", "elsewhere"):
        linear.add_column(column, justify="right")
    for features, row in errors.items():
        for queries, error in row.items():
            linear.add_row(f"{features}", f"{queries:,}", f"{error:.3f}", f"{ELSEWHERE[features][queries]:.3f}")
    Console().print(table, linear)
    if options.out:
        options.out.write_text(json.dumps(result | {"linear_median_relative_error": errors}, indent=2) + "\n")


if __name__ == "__main__":
    main()

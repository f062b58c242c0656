"""What a cluster costs: a sweep of 32 chunks on two Ray nodes of this machine, against the plain run on as many cores.

    python benchmarks/cluster.py [--rounds 3] [--out benchmarks/results/cluster.json]

Figure to reach: under 15% more seconds than the plain run.

Both run the main job's network on scikit-learn's digits, trained longer, and time all of `jaxattack.membership`: joining
the cluster, starting workers, compiling (once in each worker), training, observing, writing chunks, one attack. The nodes,
one core each, are there before, as a cluster is. Rows run in turn, each in a process of its own; medians are shown.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

NODES = 2
CHUNKS = 32
ROWS = ("plain", "cluster")


def measure(address: str, models: int, epochs: int) -> dict[str, float]:
    """One run in this process, on so many devices or on a cluster."""
    import jax

    jax.config.update("jax_num_cpu_devices", NODES)
    import jaxattack as ja

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        found = ja.membership(
            Path(folder) / "run",
            model=ja.models.Architecture(),
            dataset=ja.load("digits"),
            learner=ja.learners.Standard(recipe=ja.Recipe(epochs=epochs)),
            models=models,
            attacks=(ja.attacks.Threshold(quantity="loss"),),
            placement=ja.training.Placement(chunk=models // CHUNKS),
            cluster=address or None,
        )
        seconds = time.perf_counter() - begin
        chunks = len(list(Path(folder).glob("run/chunk-*")))
    assert chunks == CHUNKS, chunks
    spent = vars(found.findings.cost.seconds)
    return {"seconds": seconds, **{phase: spent[phase] for phase in ("compile", "train", "observe", "score")}}


@contextmanager
def nodes() -> Iterator[str]:
    """A Ray cluster on loopback: its address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    # Not 127.0.0.1, which Ray takes for the machine's own address and puts on the network.
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.2"}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        for _ in range(NODES - 1):
            cluster.add_node(**node)
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def in_process(address: str, options: argparse.Namespace) -> dict[str, float]:
    """Measure in a fresh process, whose devices are its own."""
    sizes = ("--models", str(options.models), "--epochs", str(options.epochs))
    done = subprocess.run(
        [sys.executable, __file__, "--row", address, *sizes], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def summary(runs: list[dict[str, float]]) -> dict[str, float]:
    """Medians, and the spread of the whole."""
    seconds = [run["seconds"] for run in runs]
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return medians | {"least": min(seconds), "most": max(seconds), "n": len(runs)}


def environment() -> dict[str, Any]:
    """The device and the versions."""
    from jaxattack.audit.environment import environment as versions

    return {**versions(), "ray": version("ray"), "cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 2)}


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    title = f"{result['models']} models of {result['epochs']} epochs in {CHUNKS} chunks, {NODES} cores"
    table = Table(title=title, title_justify="left")
    for heading in ("", "seconds (least-most, n)", "compile", "train", "observe", "score"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in result["rows"].items():
        whole = f"{row['seconds']:.1f} ({row['least']:.1f}-{row['most']:.1f}, {row['n']})"
        table.add_row(name, whole, *(f"{row[phase]:.1f}" for phase in ("compile", "train", "observe", "score")))
    Console(width=110).print(
        table, f"Overhead of the cluster: {result['overhead']:.1%} (seconds of phases add up over workers)"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="A sweep on two local Ray nodes against the plain run.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=int, default=256, help=f"a multiple of {CHUNKS}")
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.models < CHUNKS or options.models % CHUNKS:
        parser.error(f"--models is {options.models}: give a multiple of {CHUNKS}.")
    if options.row is not None:
        print(json.dumps(measure(options.row, options.models, options.epochs)))
        return
    where = environment()
    with nodes() as address:
        rounds = [[in_process(at, options) for at in ("", address)] for _ in range(options.rounds)]
    rows = {name: summary(list(runs)) for name, runs in zip(ROWS, zip(*rounds, strict=True), strict=True)}
    ratio = statistics.median(cluster["seconds"] / plain["seconds"] for plain, cluster in rounds)
    result = {
        "models": options.models,
        "epochs": options.epochs,
        "chunks": CHUNKS,
        "nodes": NODES,
        "overhead": ratio - 1,
    }
    result |= {"rows": rows, "environment": where}
    show(result)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

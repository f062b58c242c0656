"""Claim: a sweep of an audit costs less here, in models a minute from the command to the report.

    python benchmarks/price.py --sacroml ENV/bin/python --torch ENV/bin/python
    python benchmarks/price.py --models 32 --rounds 2 --workloads digits --out small.json

The file is written after every round; called again with it, rounds are added to those that it holds of this kind of machine, if
everybody's release is the same. So a measurement can be spread over the hours in which a machine is quiet, and machines stand
side by side.

The same records, recipe and cores for everybody, in turn, so that whatever else the machine is doing falls on all alike; ratios
are within a round, and their median is what counts. One row a contender:

    jaxattack     `jaxattack membership --attacks lira-online`: every model is a target; the report is a page with figures
    SACRO-ML      its LiRA, with as many shadow models, on scikit-learn's MLPClassifier; one model is the target (`sacro_lira.py`)
    PyTorch       a loop, in one process a core, and LiRA on all targets in NumPy (`torch_lira.py`)

The latter two run where they are installed: name the interpreters, or leave them out. SACRO-ML keeps its shadow models in the
folder that it is called in; here each run has a new one. It has no convolutional networks. Everything counts: starting, compiling,
training, scoring, writing. CPU seconds, of all cores and child processes, stand beside: they are what a busy machine can be asked. jaxattack keeps compiled programs between runs, as it does for everybody: the first round has none.

Workloads: `digits`, a perceptron of 256 on scikit-learn's; `location`, one of 128 on 2,400 records of Location-30 (--location
FILE.npz); `cifar`, a network of two convolutions on 2,000 of CIFAR-10's images (--cifar FILE.npz). Those without a file are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from jaxattack.audit.environment import device

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What everybody trains.

    Attributes:
        model: mlp:WIDTH or cnn:16-32, of one hidden layer or two convolutions.
        epochs: of training.
        batch: of a step.
        rate: of Adam.
        records: how many, at most; half of them train a model.
    """

    model: str
    epochs: int
    batch: int
    rate: float
    records: int


WORKLOADS = {
    "digits": Workload(model="mlp:256", epochs=30, batch=64, rate=2e-3, records=1796),
    "location": Workload(model="mlp:128", epochs=30, batch=50, rate=1e-3, records=2400),
    "cifar": Workload(model="cnn:16-32", epochs=15, batch=50, rate=1e-3, records=2000),
}
Contender = Callable[["Run"], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One measurement.

    Attributes:
        workload: what is trained.
        data: an .npz of x and y.
        models: how many.
        cores: that it may use, by number.
        seed: decides everything random.
        folder: empty.
        python: the contender's interpreter.
    """

    workload: Workload
    data: Path
    models: int
    cores: tuple[int, ...]
    seed: int
    folder: Path
    python: str


def records_of(name: str, files: dict[str, Path | None], folder: Path) -> Path | None:
    """The records of a workload as everybody reads them; None where their file is not given."""
    work, path = WORKLOADS[name], folder / f"{name}.npz"
    if name == "digits":
        x, y = load_digits(return_X_y=True)
        x = (x / 8 - 1).astype(np.float32)
    elif files[name] is None:
        return None
    else:
        file = np.load(files[name])  # pyright: ignore[reportArgumentType]
        x, y = file["x"], file["y"].astype(np.int64)
        x = x if name == "cifar" else x.astype(np.float32)
    chosen = np.random.default_rng(0).permutation(len(x))[: work.records]
    np.savez(path, x=x[chosen], y=y[chosen])
    return path


def jaxattack(run: Run) -> dict[str, Any]:
    """The command, and the accuracies of its report."""
    work, out = run.workload, run.folder / "run"
    command = [
        run.python, "-m", "jaxattack", "membership", "--data", str(run.data), "--model", work.model, "--models", str(run.models),
        "--epochs", str(work.epochs), "--batch", str(work.batch), "--learning-rate", str(work.rate), "--attacks", "lira-online",
        "--seed", str(run.seed), "--out", str(out), "--quiet",
    ]  # fmt: skip
    seconds = timed(command, run, {})
    found = json.loads((out / "report.json").read_text())
    attack = next(one for one in found["attacks"] if one["name"] == "lira-online")
    return {**seconds, "test_accuracy": found["models"]["test_accuracy"]["mean"], "auc": attack["auc"]}


def peer(script: str, threads: str, run: Run) -> dict[str, Any]:
    """A script beside this one, which reads what to do and writes what it found."""
    out, file = run.folder / "report.json", run.folder / "work.json"
    work = asdict(run.workload) | {"data": str(run.data), "models": run.models, "seed": run.seed, "out": str(out)}
    file.write_text(json.dumps(work | {"processes": len(run.cores)}))
    seconds = timed([run.python, str(HERE / script), str(file)], run, {"OMP_NUM_THREADS": threads})
    return {**seconds, **json.loads(out.read_text())}


def sacroml(run: Run) -> dict[str, Any]:
    """SACRO-ML's LiRA; with a second thread for matrices as small as these it took 6.6 times the CPU, and longer."""
    return peer("sacro_lira.py", "1", run)


def torch(run: Run) -> dict[str, Any]:
    """The PyTorch loop, a process a core."""
    return peer("torch_lira.py", "1", run)


CONTENDERS: dict[str, Contender] = {"jaxattack": jaxattack, "SACRO-ML": sacroml, "PyTorch": torch}
MODULES = {"jaxattack": "jaxattack", "SACRO-ML": "sacroml", "PyTorch": "torch"}


def timed(command: list[str], run: Run, environment: dict[str, str]) -> dict[str, float]:
    """Seconds that a command takes on this process's cores, in the folder of a run, by the clock and of all cores."""
    begin, before = time.perf_counter(), cpu_seconds()
    # What pip installs is compiled to bytecode; without it a checkout would be compiled anew by each command.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, cwd=run.folder, env=inherited | environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return {"seconds": time.perf_counter() - begin, "cpu_seconds": cpu_seconds() - before}


def cpu_seconds() -> float:
    """Of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def release_of(python: str, module: str) -> str | None:
    """The version of a module that an interpreter has; None where it has none."""
    code = f"from importlib.metadata import version; import {module}; print(version('{module}'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or None if done.returncode == 0 else None


def one_round(
    name: str, data: Path, models: int, pythons: dict[str, str], cores: tuple[int, ...], number: int
) -> dict[str, dict[str, Any]]:
    """What each contender takes, in turn; who begins alternates."""
    here = [one for one in pythons if not (one == "SACRO-ML" and name == "cifar")]
    row = {}
    for one in here if number % 2 == 0 else reversed(here):
        with tempfile.TemporaryDirectory() as folder:
            run = Run(
                workload=WORKLOADS[name], data=data, models=models, cores=cores, seed=number, folder=Path(folder), python=pythons[one]
            )  # fmt: skip
            row[one] = CONTENDERS[one](run) | {"load": os.getloadavg()[0]}
        print(f"{name}, {models} models, round {number + 1}, {one}: {row[one]['seconds']:.1f} s", file=sys.stderr)
    return row


def summed_up(
    machine: str, name: str, models: int, cores: int, rounds: list[dict[str, dict[str, Any]]]
) -> dict[str, Any]:
    """Rounds of one workload on one kind of machine, and the ratios within them."""
    here = list(dict.fromkeys(one for row in rounds for one in row))
    both = {one: [row for row in rounds if one in row and "jaxattack" in row] for one in here}
    ratios = {
        kind: {
            one: [row[one][kind] / row["jaxattack"][kind] for row in both[one]] for one in here if one != "jaxattack"
        }
        for kind in ("seconds", "cpu_seconds")
    }
    return {
        "machine": machine, "workload": name, "models": models, "cores": cores, "rounds": rounds,
        "models_a_minute": {one: 60 * models / statistics.median(row[one]["seconds"] for row in both[one]) for one in here},
        "test_accuracy": {one: statistics.mean(row[one]["test_accuracy"] for row in both[one]) for one in here},
        "cpu_seconds_a_model": {one: statistics.median(row[one]["cpu_seconds"] for row in both[one]) / models for one in here},
        "ratio": {one: {"median": statistics.median(each), "all": each} for one, each in ratios["seconds"].items()},
        "cpu_ratio": {one: {"median": statistics.median(each), "all": each} for one, each in ratios["cpu_seconds"].items()},
    }  # fmt: skip


def earlier_rounds(
    file: Path, releases: dict[str, str | None]
) -> dict[tuple[str, str, int, int], list[dict[str, Any]]]:
    """The rounds that a file holds, by machine, workload, models and cores; contenders of another release, or of none now, would mix."""
    if not file.exists():
        return {}
    results = json.loads(file.read_text())
    if results["releases"] != releases:
        raise SystemExit(f"{file} holds rounds of {results['releases']} and these are {releases}: name another --out.")
    return {(row["machine"], row["workload"], row["models"], row["cores"]): row["rounds"] for row in results["rows"]}


def table_of(row: dict[str, Any]) -> Table:
    """A line for each contender of a workload."""
    title = f"{row['workload']}, {row['models']:,} models, {row['cores']} cores, {row['machine']}"
    table = Table(title=title, title_justify="left")
    for head in ("", "models a minute", "test accuracy", "jaxattack is faster by", "CPU s a model", "in CPU seconds"):
        table.add_column(head, justify="right" if head else "left")
    for one, rate in row["models_a_minute"].items():
        ratio = row["ratio"].get(one)
        each = ratio["all"] if ratio else []
        faster = f"{ratio['median']:.2f}x ({min(each):.2f} to {max(each):.2f}, n = {len(each)})" if ratio else ""
        table.add_row(
            one, f"{rate:,.0f}", f"{row['test_accuracy'][one]:.3f}", faster, f"{row['cpu_seconds_a_model'][one]:.3f}",
            f"{row['cpu_ratio'][one]['median']:.2f}x" if ratio else "",
        )  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--models", type=int, nargs="+", default=[256, 1000])
    parser.add_argument("--rounds", type=int, default=5, help="to add of each workload")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--sacroml", help="an interpreter that has SACRO-ML")
    parser.add_argument("--torch", help="an interpreter that has torch")
    parser.add_argument("--location", type=Path)
    parser.add_argument("--cifar", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "price.json")
    options = parser.parse_args()
    pythons = {"jaxattack": sys.executable, "SACRO-ML": options.sacroml, "PyTorch": options.torch}
    releases = {one: release_of(python, MODULES[one]) if python else None for one, python in pythons.items()}
    for one, release in releases.items():
        if release is None:
            print(f"{one} is not installed, or its interpreter is not named: it is left out.", file=sys.stderr)
    pythons = {one: python for one, python in pythons.items() if releases[one] is not None}
    rounds = earlier_rounds(options.out, releases)
    cores = tuple(sorted(os.sched_getaffinity(0)))[: options.cores]
    os.sched_setaffinity(0, cores)  # child processes inherit it
    machine = device()
    about = {
        "python": platform.python_version(), "releases": releases,
        "workloads": {name: asdict(work) for name, work in WORKLOADS.items()},
    }  # fmt: skip
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.workloads:
            data = records_of(name, {"location": options.location, "cifar": options.cifar}, Path(folder))
            if data is None:
                print(f"{name} is left out: --{name} names no file.", file=sys.stderr)
                continue
            for models in options.models:
                done = rounds.setdefault((machine, name, models, len(cores)), [])
                for _ in range(options.rounds):
                    done.append(one_round(name, data, models, pythons, cores, len(done)))
                    rows = [summed_up(*case, each) for case, each in rounds.items() if each]
                    options.out.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n")
    for row in rows:
        Console().print(table_of(row))


if __name__ == "__main__":
    main()

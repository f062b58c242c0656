"""Claim: training many models in one program beats training them one by one, in JAX or in PyTorch, on the same cores.

    python benchmarks/ensemble.py                      every workload, every row
    python benchmarks/ensemble.py --workload mlp-main --rounds 3 --out ensemble.json

Rows, each in a process of its own so that its devices and threads are its own; rates count all cores:

    nnx loop            a Python loop over a step in `nnx.jit` with `nnx.Optimizer`, as Flax's guide has it
    step loop           a Python loop over a step in `jax.jit` on plain pytrees, one model, JAX's default threads
    scanned model       one model's whole training in one program, JAX's default threads
    one device          jaxattack's engine on one virtual device, JAX's default threads
    ensemble            the same on a virtual device a core
    lax.conv in scan    the same, its convolutions left to `jax.lax` (convolutional workloads)
    torch, threads      a PyTorch loop with all threads (where torch is installed)
    torch, processes    a PyTorch loop in one process a core, one thread each

FLOP/s counts the matrix products and convolutions of forward and backward passes, without the input gradient of the
first layer; the limit is a large float32 matrix product on the same cores, measured in the same run.
"""

# pyright: reportMissingImports=false
# The PyTorch rows are measured where torch is installed.

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.table import Table

RATE = 1e-3
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What every row trains: random records, so that only speed differs."""

    model: str
    shape: tuple[int, ...]
    classes: int
    records: int
    batch: int
    models: int
    epochs: int
    multiply_adds: tuple[int, ...]  # of each layer, for one record

    @property
    def members(self) -> int:
        return self.records // 2 // self.batch * self.batch

    @property
    def step_flops(self) -> float:
        first = self.multiply_adds[0]
        return 2.0 * self.batch * (3 * sum(self.multiply_adds) - first)


WORKLOADS = {
    "mlp-main": Workload(
        model="mlp:256",
        shape=(64,),
        classes=10,
        records=1797,
        batch=64,
        models=64,
        epochs=30,
        multiply_adds=(64 * 256, 256 * 10),
    ),
    "mlp-purchase": Workload(
        model="mlp:128",
        shape=(600,),
        classes=100,
        records=8000,
        batch=100,
        models=16,
        epochs=5,
        multiply_adds=(600 * 128, 128 * 100),
    ),
    "cnn": Workload(
        model="cnn:16-32",
        shape=(28, 28, 1),
        classes=10,
        records=5120,
        batch=64,
        models=4,
        epochs=1,
        multiply_adds=(28 * 28 * 9 * 16, 14 * 14 * 9 * 16 * 32, 7 * 7 * 32 * 10),
    ),
}


def records_of(work: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Random records and labels."""
    random = np.random.default_rng(0)
    x = random.standard_normal((work.records, *work.shape), np.float32)
    return x, random.integers(0, work.classes, work.records)


def timed(run: Callable[[], object], steps: int, repeats: int) -> list[float]:
    """Steps a second, each repeat; the first call, which warms up, is not counted."""
    run()
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        rates.append(steps / (time.perf_counter() - begin))
    return rates


def step_loop(work: Workload, repeats: int) -> dict:
    import jax
    import jax.numpy as jnp
    import optax

    from jaxattack.models import build
    from jaxattack.types import Variables

    model = build(work.model, work.shape, work.classes)
    change = optax.adam(RATE)
    x, y = (jnp.asarray(part) for part in records_of(work))

    @jax.jit
    def step(params, rest, state, index, key):
        def loss(params):
            logits, new = model.forward(Variables(params, rest), x[index], key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y[index]).mean(), new

        gradient, new = jax.grad(loss, has_aux=True)(params)
        updates, state = change.update(gradient, state)
        return optax.apply_updates(params, updates), new, state

    key, random = jax.random.key(0), np.random.default_rng(0)
    start = model.init(key)
    epochs = max(1, work.epochs // 5)
    begin = time.perf_counter()
    step.lower(start.params, start.rest, change.init(start.params), jnp.arange(work.batch), key).compile()
    compiling = time.perf_counter() - begin

    def run():
        params, rest, state = start.params, start.rest, change.init(start.params)
        for _ in range(epochs):
            order = random.permutation(work.members).reshape(-1, work.batch)
            for index in order:
                params, rest, state = step(params, rest, state, index, key)
        jax.block_until_ready(params)

    return {"compile": compiling, "rates": timed(run, epochs * work.members // work.batch, repeats)}


def nnx_loop(work: Workload, repeats: int) -> dict:
    import jax
    import jax.numpy as jnp
    import optax
    from flax import nnx

    from jaxattack.models.nets import CNN, MLP

    def build(rngs):
        sizes = tuple(int(size) for size in work.model.partition(":")[2].split("-"))
        if work.model.startswith("cnn"):
            height, width, channels = work.shape
            return CNN((height, width, channels), work.classes, sizes, "relu", 0.0, rngs)
        return MLP((*work.shape, *sizes, work.classes), "relu", 0.0, rngs)

    model = build(nnx.Rngs(0))
    change = nnx.Optimizer(model, optax.adam(RATE), wrt=nnx.Param)
    x, y = (jnp.asarray(part) for part in records_of(work))

    @nnx.jit
    def step(model, change, index):
        def loss(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(x[index]), y[index]).mean()

        change.update(model, nnx.grad(loss)(model))

    random = np.random.default_rng(0)
    epochs = max(1, work.epochs // 5)

    def run():
        for _ in range(epochs):
            for index in random.permutation(work.members).reshape(-1, work.batch):
                step(model, change, index)
        jax.block_until_ready(nnx.state(model, nnx.Param))

    return {"rates": timed(run, epochs * work.members // work.batch, repeats)}


def scanned_model(work: Workload, repeats: int) -> dict:
    return _engine(work, repeats, models=1, devices=1)


def one_device(work: Workload, repeats: int) -> dict:
    return _engine(work, repeats, models=work.models, devices=1)


def ensemble(work: Workload, repeats: int) -> dict:
    return _engine(work, repeats, models=work.models, devices=CORES)


def lax_conv(work: Workload, repeats: int) -> dict:
    return _engine(work, repeats, models=CORES, devices=CORES, conv="lax")


def _engine(work: Workload, repeats: int, models: int, devices: int, conv: Literal["lax"] | None = None) -> dict:
    import jax

    jax.config.update("jax_num_cpu_devices", devices)
    from jaxattack import Dataset, Recipe
    from jaxattack.data.designs import Sized
    from jaxattack.models import build
    from jaxattack.training import Engine, Placement, Sweep

    x, y = records_of(work)
    dataset = Dataset(x=x, y=y, classes=work.classes, name="random")
    recipe = Recipe(epochs=work.epochs, batch=work.batch, learning_rate=RATE)
    sweep = Sweep(model=build(work.model, work.shape, work.classes), recipe=recipe)
    member = Sized(members=work.members)(models, work.records, seed=0)
    engine = Engine(sweep, dataset, models=models, slots=work.members, placement=Placement(conv=conv))
    steps = recipe.steps(work.members)
    list(engine.run_all(range(models), member))
    rates = []
    for _ in range(repeats):
        chunks = list(engine.run_all(range(models), member))
        rates.append(models * steps / sum(chunk.train_seconds for chunk in chunks))
    return {
        "compile": engine.compile_seconds,
        "rates": rates,
        "detail": f"{models} models, {devices} devices, chunk {engine.chunk}, vmap {engine.group}",
    }


def torch_loop(work: Workload, repeats: int, threads: int, seconds: float = 0.0) -> dict:
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(threads)
    x, y = (torch.from_numpy(part) for part in records_of(work))
    if work.model.startswith("cnn"):
        x = x.permute(0, 3, 1, 2).contiguous()
        layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1)]
        layers += [nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(7 * 7 * 32, work.classes)]
    else:
        width = int(work.model.partition(":")[2])
        layers = [nn.Linear(work.shape[0], width), nn.ReLU(), nn.Linear(width, work.classes)]
    net = nn.Sequential(*layers)
    change = torch.optim.Adam(net.parameters(), RATE, fused=True)
    epochs = max(1, work.epochs // 5)

    def run():
        for _ in range(epochs):
            for index in torch.randperm(work.members).split(work.batch):
                change.zero_grad(set_to_none=True)
                functional.cross_entropy(net(x[index]), y[index]).backward()
                change.step()

    steps = epochs * work.members // work.batch
    if seconds:  # beside other processes: run for a time, so that all of them overlap
        run()
        begin, done = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            run()
            done += steps
        return {"rates": [done / (time.perf_counter() - begin)]}
    return {"rates": timed(run, steps, repeats), "detail": f"{threads} threads"}


def torch_threads(work: Workload, repeats: int) -> dict:
    return torch_loop(work, repeats, CORES)


def torch_process(work: Workload, repeats: int) -> dict:  # noqa: ARG001 (every row has the same arguments)
    return torch_loop(work, 1, 1, seconds=4.0) | {"detail": f"{CORES} processes, 1 thread each"}


def matmul_peak(work: Workload, repeats: int) -> dict:  # noqa: ARG001 (every row has the same arguments)
    """Large products a second: the better of NumPy on all cores and JAX on one device a core."""
    import jax
    import jax.numpy as jnp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    jax.config.update("jax_num_cpu_devices", CORES)
    size = 2048
    over = NamedSharding(Mesh(np.array(jax.devices()), ("model",)), PartitionSpec("model"))
    random = np.random.default_rng(0)
    many = jax.device_put(random.random((CORES, size, size), np.float32), over)
    product = jax.jit(lambda a: jnp.einsum("mij,mjk->mik", a, a), in_shardings=over, out_shardings=over)
    host = random.random((size, size), np.float32)
    sharded = timed(lambda: jax.block_until_ready(product(many)), CORES, repeats)
    numpy = timed(lambda: host @ host, 1, repeats)
    return {"rates": max(sharded, numpy, key=statistics.median), "flops": 2.0 * size**3}


ROWS: dict[str, Callable[[Workload, int], dict]] = {
    "nnx loop": nnx_loop,
    "step loop": step_loop,
    "scanned model": scanned_model,
    "one device": one_device,
    "ensemble": ensemble,
    "lax.conv in scan": lax_conv,
    "torch, threads": torch_threads,
    "torch, processes": torch_process,
    "matmul peak": matmul_peak,
}


def in_process(row: str, workload: str, repeats: int, copies: int = 1) -> list[dict]:
    """Measure a row in fresh processes, so many at the same time."""
    command = [sys.executable, __file__, "--row", row, "--workload", workload, "--repeats", str(repeats)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(copies)]
    answers = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"the row {row!r} of {workload} failed")
    return [json.loads(answer.splitlines()[-1]) for answer in answers]


def measure(name: str, rounds: int) -> dict:
    """All rows of a workload, as plain values.

    A round runs every row once, so that whatever else the machine is doing falls on all rows alike; within a round a
    row's figure is the median of three.
    """
    work = WORKLOADS[name]
    chosen = [row for row in ROWS if "conv" not in row or name.startswith("cnn")]
    if not importlib.util.find_spec("torch"):
        chosen = [row for row in chosen if not row.startswith("torch")]
    found: dict[str, list[dict]] = {row: [] for row in chosen}
    for _ in range(rounds):
        for row in chosen:
            together = in_process(row, name, 3, copies=CORES if row == "torch, processes" else 1)
            rate = sum(statistics.median(one["rates"]) for one in together)
            found[row].append({**together[0], "gflops": rate * together[0]["flops"] * 1e-9, "rate": rate})
    peak = statistics.median(one["gflops"] for one in found.pop("matmul peak"))
    rows = {row: _row(some, peak) for row, some in found.items()}
    return {"workload": name, "model": work.model, "batch": work.batch, "peak_gflops": peak, "rows": rows}


def _row(rounds: list[dict], peak: float) -> dict:
    gflops = [one["gflops"] for one in rounds]
    compiling = [one["compile"] for one in rounds if "compile" in one]
    return {
        "steps_per_second": statistics.median(one["rate"] for one in rounds),
        "gflops": statistics.median(gflops),
        "gflops_low": min(gflops),
        "gflops_high": max(gflops),
        "of_peak": statistics.median(gflops) / peak,
        "compile_seconds": statistics.median(compiling) if compiling else None,
        "n": len(rounds),
        "detail": rounds[0].get("detail", ""),
    }


def show(console: Console, result: dict) -> None:
    """Print a workload's table."""
    title = (
        f"{result['workload']}: {result['model']}, batch {result['batch']}; peak {result['peak_gflops']:.0f} GFLOP/s"
    )
    table = Table(title=title, title_justify="left")
    for column in ("row", "steps/s", "GFLOP/s", "low-high", "of peak", "x step loop", "compile s", "n", ""):
        table.add_column(column, justify="left" if column in ("row", "") else "right")
    base = result["rows"]["step loop"]["gflops"]
    for name, row in result["rows"].items():
        compiling = "" if row["compile_seconds"] is None else f"{row['compile_seconds']:.1f}"
        table.add_row(
            name,
            f"{row['steps_per_second']:,.0f}",
            f"{row['gflops']:.1f}",
            f"{row['gflops_low']:.1f}-{row['gflops_high']:.1f}",
            f"{row['of_peak']:.0%}",
            f"{row['gflops'] / base:.1f}",
            compiling,
            str(row["n"]),
            row["detail"],
        )
    console.print(table)


def versions() -> dict[str, str]:
    from jaxattack.audit.environment import device

    names = [name for name in ("jax", "jaxlib", "flax", "optax", "numpy", "torch") if importlib.util.find_spec(name)]
    return {name: version(name) for name in names} | {
        "python": platform.python_version(),
        "device": device(),
        "cores": str(CORES),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, action="append", help="which; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="times that every row is measured, in turn")
    parser.add_argument("--repeats", type=int, default=3, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = options.workload or list(WORKLOADS)
    if options.row:
        work = WORKLOADS[chosen[0]]
        print(json.dumps({"flops": work.step_flops} | ROWS[options.row](work, options.repeats)))
        return
    console = Console(width=150)
    results = []
    for name in chosen:
        results.append(measure(name, options.rounds))
        show(console, results[-1])
    if options.out:
        options.out.write_text(json.dumps({"environment": versions(), "results": results}, indent=1) + "\n")
        console.print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()

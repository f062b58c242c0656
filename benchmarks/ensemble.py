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

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from ensemble_engine import ensemble, lax_conv, matmul_peak, one_device, scanned_model
from ensemble_loops import nnx_loop, step_loop, torch_process, torch_threads
from ensemble_workloads import CORES, WORKLOADS, Workload
from rich.console import Console
from rich.table import Table

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

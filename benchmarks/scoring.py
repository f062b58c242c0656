"""What scoring costs: LiRA for all targets at once and RMIA by sorting, each beside its naive twin.

    python benchmarks/scoring.py [--queries 18] [--out scoring.json]

Figures to reach on 2 CPU cores: LiRA online, per-record variance, 256 targets x 50,000 records x 2 queries in 20 s,
and with 18 queries within 3 GB beside the input; RMIA, exact counting, 50,000 records against a population of 10,000
with 4 references in 0.2 s.

The twins are what one would write first: for LiRA a fit a record, one target at a time; for RMIA every pair compared.
LiRA's run on one target of all records and are multiplied by the number of targets; RMIA's runs in
full. Scores are compared in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from rich.console import Console
from rich.table import Table
from scipy.stats import norm

from jaxattack.attacks.membership import RMIA, LiRA
from jaxattack.types import Observations

TARGET = 3  # the target that the twins score
CHUNK = 500  # records whose pairs RMIA's twin compares at a time


def observe(models: int, records: int, queries: int, seed: int) -> Observations:
    """Gaussian signals with a little membership in them, complementary halves."""
    rng = np.random.default_rng(seed)
    pairs = rng.permuted(np.tile(np.arange(records) < records // 2, ((models + 1) // 2, 1)), axis=1)
    member = np.stack([pairs, ~pairs], axis=1).reshape(-1, records)[:models]
    phi = np.empty((models, records, queries), np.float32)
    hardness = rng.normal(2.0, 2.0, (records, 1))
    for model in range(models):
        shared = rng.standard_normal((records, 1), np.float32) + 0.5 * member[model][:, None]
        phi[model] = hardness + shared + 0.3 * rng.standard_normal((records, queries), np.float32)
    # RMIA reads one query; a second signal of LiRA's size would only take memory.
    softmax = -np.logaddexp(0, -phi[:, :, :1] / 2)
    return Observations(signals={"phi": phi, "softmax_t2": softmax}, member=member, label=np.zeros(records, int))


def references(observations: Observations) -> np.ndarray:
    """The target's: all models but itself and its complement."""
    return np.flatnonzero(np.arange(observations.models) // 2 != TARGET // 2)


def lira_twin(observations: Observations, reference_code: bool) -> np.ndarray:
    """Online LiRA of one target, a record at a time; equal numbers of references are not assumed."""
    others = references(observations)
    phi, member = observations.signals["phi"][others], observations.member[others]
    own = observations.signals["phi"][TARGET].astype(np.float64)
    density = []
    for held in (member, ~member):
        lists = [phi[held[:, r], r].astype(np.float64) for r in range(observations.records)]
        if reference_code:
            cut = min(map(len, lists))
            stacked = np.array([x[:cut] for x in lists])
            centre, deviation = np.median(stacked, axis=1), stacked.std(axis=1) + 1e-30
        else:
            centre = np.array([x.mean(axis=0) for x in lists])
            deviation = np.array([x.std(axis=0, ddof=1) for x in lists])
        density.append(norm.logpdf(own, centre, deviation))
    return (density[0] - density[1]).mean(axis=1)


def rmia_twin(observations: Observations, attack: RMIA, population: int) -> np.ndarray:
    """Offline RMIA of one target by comparing every pair, some rows at a time."""
    others = references(observations)
    p = np.exp(observations.signals["softmax_t2"][:, :, 0].astype(np.float64))
    out = ~observations.member[others]
    mean_out = (p[others] * out).sum(axis=0) / out.sum(axis=0)
    ratio = p[TARGET] / (((1 + float(attack.a)) * mean_out + 1 - float(attack.a)) / 2)
    z = ratio[np.linspace(0, len(ratio) - 1, population).round().astype(int)]
    rows = [(ratio[i : i + CHUNK, None] / z > attack.gamma).mean(axis=1) for i in range(0, len(ratio), CHUNK)]
    return np.concatenate(rows)


def timed(function: Callable[[], np.ndarray], repeats: int) -> tuple[list[float], int, np.ndarray]:
    """Seconds of each repeat after a first, the most memory taken beside what was there before, and the result."""
    page, peak, done = os.sysconf("SC_PAGE_SIZE"), [0], threading.Event()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], resident())

    before = resident()
    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds, result = [], function()
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - begin)
    done.set()
    watcher.join()
    return seconds, max(peak[0] - before, 0), result


def row(name: str, size: str, fast, twin, scale: int, repeats: int) -> dict[str, Any]:
    """One claim: the attack, its twin on a share 1 / scale of the work, and how far their scores differ."""
    seconds, memory, scores = timed(fast, repeats)
    twin_seconds, _, twin_scores = timed(twin, 2)
    own = scores[TARGET] if len(scores) > 1 else scores[0]
    return {
        "name": name,
        "size": size,
        "seconds": {"median": float(np.median(seconds)), "least": min(seconds), "most": max(seconds), "n": repeats},
        "extra_bytes": memory,
        "twin_seconds": float(np.median(twin_seconds)) * scale,
        "twin_measured_share": 1 / scale,
        "speedup": float(np.median(twin_seconds)) * scale / float(np.median(seconds)),
        "largest_difference": float(np.abs(own - twin_scores).max()),
    }


def environment() -> dict[str, Any]:
    """The device and the versions."""
    cpu = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": cpu[0] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }


def show(rows: list[dict[str, Any]], where: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(title=", ".join(f"{key} {value}" for key, value in where.items()))
    for heading in (
        "attack",
        "targets x records",
        "seconds (least-most, n)",
        "extra memory",
        "twin, s",
        "speed-up",
        "differs by",
    ):
        table.add_column(heading, justify="left" if heading in ("attack", "targets x records") else "right")
    for entry in rows:
        seconds, share = entry["seconds"], entry["twin_measured_share"]
        scaled = "in full" if share == 1 else f"measured on 1/{round(1 / share)}, scaled"
        table.add_row(
            entry["name"],
            entry["size"],
            f"{seconds['median']:.3g} ({seconds['least']:.3g}-{seconds['most']:.3g}, {seconds['n']})",
            f"{entry['extra_bytes'] / 1e6:.0f} MB",
            f"{entry['twin_seconds']:.3g} ({scaled})",
            f"{entry['speedup']:.0f}",
            f"{entry['largest_difference']:.1g}",
        )
    Console(width=max(Console().width, 150)).print(table)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="LiRA and RMIA scoring, each beside its naive twin.")
    parser.add_argument("--models", type=int, default=256, help="models, all of them LiRA's targets")
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=2, help="LiRA's queries; 18 is the paper's")
    parser.add_argument("--population", type=int, default=10_000, help="RMIA's z")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    models, records, queries = options.models, options.records, options.queries

    few = observe(6, records, 1, seed=1)
    counting = RMIA(online=False, population=options.population)
    rows = [
        row(
            f"{counting.name}, counting, 4 references",
            f"1 x {records:,} against {options.population:,}",
            lambda: counting(few, [TARGET]),
            lambda: rmia_twin(few, counting, options.population),
            1,
            options.repeats,
        )
    ]
    many = observe(models, records, queries, seed=0)
    for formula in ("paper", "reference_code"):
        attack = LiRA(online=True, variance="record", formula=formula)
        rows.append(
            row(
                attack.name,
                f"{models} x {records:,} x {queries} queries",
                lambda attack=attack: attack(many),
                lambda formula=formula: lira_twin(many, formula == "reference_code"),
                models,
                options.repeats,
            )
        )
    where = environment()
    show(rows, where)
    if options.out:
        options.out.write_text(json.dumps({"rows": rows, "environment": where}, indent=1) + "\n")


if __name__ == "__main__":
    main()

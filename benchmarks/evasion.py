"""Evasion of one network beside foolbox and the Adversarial Robustness Toolbox: records per second at the same success.

    python benchmarks/evasion.py --peers /elsewhere/bin/python [--out evasion.json]

Figures to reach on 2 CPU cores, batch 256: HopSkipJump and Square at ten times the records per second of either, PGD at twice. The
network is mlp:64 on scikit-learn's digits, trained here; the peers get its weights, the same records (all labelled right), and
an environment of their own with torch. Each attack is run several times in one process of each tool; the first run of ours,
which compiles, is told apart. Processor seconds are told beside seconds, which other work on a machine stretches.

    hopskipjump   10 iterations of 100 sqrt(n) probes: ours 2,500 questions a record; 2-norm
    square        500 squares, size .1; the toolbox asks about each three times
    pgd           40 steps of .01 from one random start, size .1, no early end

The toolbox's HopSkipJump goes through records one by one, so that fewer of them tell its speed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

import jaxattack as ja
from jaxattack.attacks.evasion import PGD, HopSkipJump, Square
from jaxattack.audit.environment import device, environment
from jaxattack.perturb.labels import labels_of
from jaxattack.types import Evasion, WhiteBox

SIZE, STEPS, RATE, SQUARES, ITERATIONS = 0.1, 40, 0.01, 500, 10
ATTACKS = {
    "hopskipjump": HopSkipJump(queries=2500),
    "square": Square(size=SIZE, queries=SQUARES + 2),
    "pgd": PGD(size=SIZE, steps=STEPS, rate=RATE, early=False),
}
TIMES = {"hopskipjump": 10, "square": 10, "pgd": 2}
"""As fast as the peers, to reach."""


def network(records: int) -> tuple[WhiteBox, np.ndarray, np.ndarray]:
    """A network, and records that it labels right."""
    victim = ja.open_victim("mlp:64", data="digits")
    if victim.inside is None or victim.x is None or victim.y is None:
        raise RuntimeError("a network trained here has its weights and held-out records")
    right = np.flatnonzero(labels_of(victim.inside, victim.x.astype(float)) == victim.y)[:records]
    return victim.inside, victim.x[right].astype(float), victim.y[right]


def ours(box: WhiteBox, x: np.ndarray, y: np.ndarray, repeats: int) -> dict[str, dict[str, Any]]:
    """Each attack, several times after the one that compiles."""
    rows = {}
    for name, attack in ATTACKS.items():
        runs = [run(lambda seed, attack=attack: attack(box, x, y, seed=seed), seed) for seed in range(1 + repeats)]
        evasion: Evasion = runs[-1][2]
        rows[name] = {
            "records": len(x),
            "first_seconds": runs[0][0],
            "seconds": [each[0] for each in runs[1:]],
            "processor_seconds": [each[1] for each in runs[1:]],
            "success": evasion.among_right,
            "questions": float(evasion.questions.mean()),
            "l2": float(np.median(evasion.distance.l2[evasion.success])),
            "linf": float(np.median(evasion.distance.linf[evasion.success])),
        }
    return rows


def run(attack: Any, seed: int) -> tuple[float, float, Evasion]:
    """Seconds, processor seconds, and what it found."""
    begin, processor = time.perf_counter(), time.process_time()
    evasion = attack(seed)
    return time.perf_counter() - begin, time.process_time() - processor, evasion


def peers(options: argparse.Namespace, box: WhiteBox, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The same by other tools, which get the weights and shares of the range."""
    first, last = (jax.tree.map(np.asarray, box.variables.params["layers"][number]) for number in (0, 1))
    weights = {"w1": first["kernel"], "b1": first["bias"], "w2": last["kernel"], "b2": last["bias"]}
    settings = {
        "size": SIZE, "steps": STEPS, "rate": RATE, "squares": SQUARES, "iterations": ITERATIONS,
        "repeats": options.repeats, "few": options.few,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        given, results = Path(folder) / "network.npz", Path(folder) / "peers.json"
        np.savez(given, **weights, x=(x / 255).astype(np.float32), y=y, **settings)
        subprocess.run(
            [options.peers, Path(__file__).with_name("evasion_peers.py"), given, results], check=True, timeout=3600
        )
        return json.loads(results.read_text())


def speed(row: Mapping[str, Any], seconds: str) -> float:
    """Records per second, by the median of its runs."""
    return row["records"] / statistics.median(row[seconds])


def ratios(rows: Mapping[str, Mapping[str, Any]], tools: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How many times as fast as each tool each attack is, at which success."""
    return [
        {
            "attack": name,
            "tool": tool,
            "times": speed(rows[name], "seconds") / speed(row, "seconds"),
            "times_processor": speed(rows[name], "processor_seconds") / speed(row, "processor_seconds"),
            "to_reach": TIMES[name],
            "success": [rows[name]["success"], row["success"]],
        }
        for name in rows
        for tool, by_attack in tools.items()
        if (row := by_attack.get(name))
    ]


def show(result: Mapping[str, Any]) -> None:
    """The figures as tables."""
    runs = Table(title=f"{result['records']} records, {result['repeats']} runs each", title_justify="left")
    for column in ("attack", "tool", "success", "asks", "2-norm", "seconds", "records/s", "cpu s"):
        runs.add_column(column, justify="left" if column in ("attack", "tool") else "right", no_wrap=True)
    for tool, rows in {"jaxattack": result["ours"], **result["peers"]}.items():
        for name, row in rows.items():
            runs.add_row(
                name,
                tool,
                f"{row['success']:.1%}",
                f"{row['questions']:,.0f}",
                f"{row['l2']:.3f}",
                f"{min(row['seconds']):.3g}-{max(row['seconds']):.3g}",
                f"{speed(row, 'seconds'):,.1f}",
                f"{statistics.median(row['processor_seconds']):.3g}",
            )
    times = Table(title="Times as fast", title_justify="left")
    for column in ("attack", "than", "by seconds", "by processor seconds", "to reach"):
        times.add_column(column, justify="left" if column in ("attack", "than") else "right")
    for row in result["ratios"]:
        times.add_row(
            row["attack"], row["tool"], f"{row['times']:.1f}", f"{row['times_processor']:.1f}", f"{row['to_reach']}"
        )
    Console(width=100).print(runs, times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--records", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--few", type=int, default=16, help="records of the toolbox's HopSkipJump")
    parser.add_argument(
        "--peers", help="Python of an environment with torch, foolbox and adversarial-robustness-toolbox"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    box, x, y = network(options.records)
    rows = ours(box, x, y, options.repeats)
    tools = peers(options, box, x, y) if options.peers else {"peers": {}, "versions": {}}
    result = {
        "records": len(x), "repeats": options.repeats, "ours": rows, "peers": tools["peers"],
        "ratios": ratios(rows, tools["peers"]), "device": device(), "environment": environment() | {"peers": tools["versions"]},
    }  # fmt: skip
    show(result)
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

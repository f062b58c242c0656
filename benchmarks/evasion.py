"""Evasion of one network beside foolbox and the Adversarial Robustness Toolbox: records per second, at as many questions and at the same success.

    python benchmarks/evasion.py --peers /elsewhere/bin/python [--out evasion.json]

Figures to reach on 2 CPU cores, batch 256, at the same success: HopSkipJump and Square at ten times the records per second of
either, PGD at twice. The network is mlp:64 on scikit-learn's digits, trained here; the peers get its weights, the same records (all
labelled right), and an environment of their own with torch. Each attack is run several times in one process of each tool; the first
run of ours, which compiles, is told apart. Processor seconds are told beside seconds, which other work on a machine stretches.

    hopskipjump   2-norm; success is the median distance, where no fewer are fooled
    square        size .1; success is the share that is fooled; the toolbox asks about each square three times
    pgd           40 steps of .01 from one random start, size .1, no early end

Every tool runs with several settings, for each has its own best. To each run of a peer belong two of ours: `equal`, of the fewest
questions (squares, steps) tried that are no fewer than its own, or the most where it has more; and `same`, of the fewest that reach its success. The toolbox's HopSkipJump goes
through records one by one, so that fewer of them tell its speed; ours is judged by the same records.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from jaxattack.types import Evasion, EvasionAttack, WhiteBox

SIZE, STEPS, RATE = 0.1, 40, 0.01
QUESTIONS = {
    "hopskipjump": (50, 70, 100, 150, 250, 500, 1000, 2500),
    "square": (12, 22, 42, 82, 152, 302, 502, 1002),
    "pgd": (0,),
}
"""Of a record, at most, that are tried."""

FOOLBOX = ((3, 20, 1), (5, 50, 1), (10, 20, 1), (10, 100, 1), (10, 100, 10), (20, 50, 1))
"""HopSkipJump's iterations, probes of the first, and gamma; the rest as it comes."""

TOOLBOX = ((5, 50), (10, 100), (20, 50))
"""Iterations, and probes of the first."""

SQUARES = (50, 100, 200, 500, 1000)

TIMES = {"hopskipjump": 10, "square": 10, "pgd": 2}
"""As fast as the peers, to reach."""


def attack_of(name: str, questions: int) -> EvasionAttack:
    """With so many questions."""
    if name == "hopskipjump":
        return HopSkipJump(queries=questions)
    if name == "square":
        return Square(size=SIZE, queries=questions)
    return PGD(size=SIZE, steps=STEPS, rate=RATE, early=False)


def network(records: int) -> tuple[WhiteBox, np.ndarray, np.ndarray]:
    """A network, and records that it labels right."""
    victim = ja.open_victim("mlp:64", data="digits")
    if victim.inside is None or victim.x is None or victim.y is None:
        raise RuntimeError("a network trained here has its weights and held-out records")
    right = np.flatnonzero(labels_of(victim.inside, victim.x.astype(float)) == victim.y)[:records]
    return victim.inside, victim.x[right].astype(float), victim.y[right]


def ours(box: WhiteBox, x: np.ndarray, y: np.ndarray, repeats: int, few: int) -> dict[str, list[dict[str, Any]]]:
    """Each attack with each number of questions, several times after the run that compiles."""
    return {
        name: [timed(attack_of(name, each), box, x, y, repeats, few) | {"budget": each} for each in questions]
        for name, questions in QUESTIONS.items()
    }


def timed(attack: EvasionAttack, box: WhiteBox, x: np.ndarray, y: np.ndarray, repeats: int, few: int) -> dict[str, Any]:
    """Seconds, and medians over the runs of what they found."""
    runs = [run(partial(attack, box, x, y), seed) for seed in range(1 + repeats)]
    evasions = [each[2] for each in runs[1:]]
    median = lambda values, part: float(np.median([np.median(part(each, values(each))) for each in evasions]))  # noqa: E731
    fooled = lambda each, values: values[each.success]  # noqa: E731
    return {
        "records": len(x),
        "first_seconds": runs[0][0],
        "seconds": [each[0] for each in runs[1:]],
        "processor_seconds": [each[1] for each in runs[1:]],
        "success": float(np.median([each.among_right for each in evasions])),
        "questions": float(evasions[-1].questions.mean()),
        "l2": median(lambda each: each.distance.l2, fooled),
        "linf": median(lambda each: each.distance.linf, fooled),
        "l2_of_few": median(lambda each: each.distance.l2, lambda _, values: values[:few]),
    }


def run(attack: Callable[..., Evasion], seed: int) -> tuple[float, float, Evasion]:
    """Seconds, processor seconds, and what it found."""
    begin, processor = time.perf_counter(), time.process_time()
    evasion = attack(seed=seed)
    return time.perf_counter() - begin, time.process_time() - processor, evasion


def peers(options: argparse.Namespace, box: WhiteBox, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The same by other tools, which get the weights and shares of the range."""
    first, last = (jax.tree.map(np.asarray, box.variables.params["layers"][number]) for number in (0, 1))
    weights = {"w1": first["kernel"], "b1": first["bias"], "w2": last["kernel"], "b2": last["bias"]}
    settings = {
        "size": SIZE, "steps": STEPS, "rate": RATE, "squares": SQUARES, "foolbox_settings": FOOLBOX,
        "toolbox_settings": TOOLBOX, "repeats": options.repeats, "few": options.few,
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


def reaches(name: str, own: Mapping[str, Any], peer: Mapping[str, Any]) -> bool:
    """Whether a run of ours has the peer's success."""
    if own["success"] < peer["success"]:
        return False
    return name != "hopskipjump" or own["l2" if peer["records"] == own["records"] else "l2_of_few"] <= peer["l2"]


def compare(name: str, rows: Sequence[Mapping[str, Any]], tool: str, peer: Mapping[str, Any]) -> dict[str, Any]:
    """How many times as fast as a run of a peer ours are: of as many questions, and of the same success."""
    settings = peer["settings"]
    asked = peer["questions"] if name == "hopskipjump" else settings.get("squares", 0) + 2
    equal = next((row for row in rows if row["budget"] >= asked), rows[-1])
    same = next((row for row in rows if reaches(name, row, peer)), None)
    return {
        "attack": name, "tool": tool, "settings": settings, "peer": {key: peer[key] for key in ("questions", "success", "l2")},
        "equal": times(equal, peer), "same": times(same, peer) if same else None, "to_reach": TIMES[name],
    }  # fmt: skip


def times(own: Mapping[str, Any], peer: Mapping[str, Any]) -> dict[str, Any]:
    """How many times as fast."""
    return {
        "budget": own["budget"],
        "questions": own["questions"],
        "success": own["success"],
        "l2": own["l2" if peer["records"] == own["records"] else "l2_of_few"],
        "times": speed(own, "seconds") / speed(peer, "seconds"),
        "times_processor": speed(own, "processor_seconds") / speed(peer, "processor_seconds"),
    }


def _success(name: str, side: Mapping[str, Any]) -> str:
    return f"{side['l2']:.2f}" if name == "hopskipjump" else f"{side['success']:.0%}"


def show(result: Mapping[str, Any]) -> None:
    """The figures as tables."""
    runs = Table(title=f"{result['records']} records, {result['repeats']} runs each", title_justify="left")
    for column in ("attack", "tool", "settings", "fooled", "asks", "2-norm", "seconds", "records/s", "cpu s"):
        runs.add_column(column, justify="left" if column in ("attack", "tool", "settings") else "right", no_wrap=True)
    for tool, by_attack in {"jaxattack": result["ours"], **result["peers"]}.items():
        for name, row in ((name, row) for name, rows in by_attack.items() for row in rows):
            settings = row["settings"].values() if "settings" in row else [row["budget"]]
            runs.add_row(
                name,
                tool,
                " ".join(f"{each:g}" for each in settings),
                f"{row['success']:.1%}",
                f"{row['questions']:,.0f}",
                f"{row['l2']:.3f}",
                f"{min(row['seconds']):.3g}-{max(row['seconds']):.3g}",
                f"{speed(row, 'seconds'):,.1f}",
                f"{statistics.median(row['processor_seconds']):.3g}",
            )
    ratios = Table(title="Times as fast, by seconds (by processor seconds)", title_justify="left")
    for column in (
        "attack",
        "than",
        "settings",
        "its asks",
        "its success",
        "at as many or more",
        "ours",
        "at its success",
        "ours at",
        "asked",
    ):
        ratios.add_column(column, justify="left" if column in ("attack", "than", "settings") else "right")
    for row in result["ratios"]:
        success = partial(_success, row["attack"])
        ratio = lambda side: f"{side['times']:.1f} ({side['times_processor']:.1f})" if side else "not reached"  # noqa: E731
        ratios.add_row(
            row["attack"],
            row["tool"],
            " ".join(f"{each:g}" for each in row["settings"].values()),
            f"{row['peer']['questions']:,.0f}",
            success(row["peer"]),
            ratio(row["equal"]),
            success(row["equal"]),
            ratio(row["same"]),
            f"{row['same']['budget']:,}" if row["same"] else "",
            f"{row['to_reach']}",
        )
    Console(width=130).print(runs, ratios)


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
    rows = ours(box, x, y, options.repeats, options.few)
    tools = peers(options, box, x, y) if options.peers else {"peers": {}, "versions": {}}
    result = {
        "records": len(x), "repeats": options.repeats, "ours": rows, "peers": tools["peers"],
        "ratios": [
            compare(name, rows[name], tool, peer)
            for tool, by_attack in tools["peers"].items() for name, runs in by_attack.items() for peer in runs
        ],
        "device": device(), "environment": environment() | {"peers": tools["versions"]},
    }  # fmt: skip
    show(result)
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Gradient inversion against a PyTorch loop on the same weights, images and objective.

    python benchmarks/gradient_inversion.py [--data cifar10.npz] [--restarts 2] [--steps 1000] [--out gradient_inversion.json]
    python benchmarks/gradient_inversion.py --data cifar10.npz --images 8 --steps 400 --peers /elsewhere/bin/python [--out ...]

Figures to reach: 5 times the PyTorch loop for a multilayer perceptron and 4 times for a small convolutional network, in
CPU-seconds, at equal PSNR or better. The attack is Inverting Gradients: 1 - cosine, total variation, Adam on signs, a tenth of
the rate after 3/8, 5/8 and 7/8 of the steps, box constraint, labels known. Rows:

    torch loop     what one would write first: images and restarts one after the other, one step at a time
    jit a step     the same loop in JAX with a compiled step
    one scanned    images and restarts one after the other, all steps of one compiled together
    batch          the package: all of them at once

With ``--peers``, the python of an environment with breaching and torch, the package and breaching are compared instead, and the
rest of the file that ``--out`` names stays: the LeNet, one restart, total variation weighed 1e-6, the package's default. The
weight is of pictures as the attack sees them, so that it means two things: pictures normalised to -2 to 2, as the package always
has them, or left from 0 to 1, where the same weight counts a quarter.

Seconds are CPU-seconds of this process after compiling; PSNR is of the best restart of each image by its objective, the mean
over images. Without ``--data`` (x: uint8 [record, 32, 32, 3]) images are cut out of the photographs of scikit-learn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from gradient_inversion_loops import jit_loop, one_scanned, tensors, torch_loop, torch_network
from gradient_inversion_problem import RATE, TV, environment, pictures, psnr, spread, victim, write
from rich.console import Console
from rich.table import Table

from jaxattack.attacks.inversion.gradient import InvertingGradients, Update, gradient_of
from jaxattack.types import WhiteBox

PEERS_TV = 1e-6

NORMALISATIONS = {"-2 to 2": (0.5, 0.25), "0 to 1": (0.0, 1.0)}
"""Of pictures before breaching sees them: mean and deviation, by where they then lie."""


def timed(
    name: str, run: Callable[[], np.ndarray], truth: np.ndarray, repeats: int, warm: Callable[[], Any]
) -> dict[str, Any]:
    """CPU-seconds of each repeat, after ``warm`` has compiled what is needed."""
    warm()
    cpu, wall, found = [], [], truth
    for _ in range(repeats):
        begin, since = time.process_time(), time.perf_counter()
        found = run()
        cpu.append(time.process_time() - begin)
        wall.append(time.perf_counter() - since)
    return {
        "name": name,
        "cpu_seconds": {"median": float(np.median(cpu)), "least": min(cpu), "most": max(cpu), "n": repeats},
        "wall_seconds": float(np.median(wall)),
        "psnr": psnr(found, truth),
        "pictures": found,
    }


def compare(name: str, x: np.ndarray, y: np.ndarray, steps: int, restarts: int, repeats: int) -> list[dict[str, Any]]:
    """The four rows of one network."""
    box = victim(name)
    update = replace(gradient_of(box, x[:, None], y[:, None]), label=y[:, None])
    attack = InvertingGradients(steps=steps, tv=TV, learning_rate=RATE, restarts=restarts)
    first = replace(update, sent=jax.tree.map(lambda leaf: leaf[:1], update.sent), label=update.label[:1])  # type: ignore[index]
    rows = []
    try:
        net = torch_network(name, box.variables.params)
        rows.append(
            timed(
                "torch loop",
                lambda: torch_loop(net, x, y, steps, restarts),
                x,
                1,
                lambda: torch_loop(net, x[:1], y[:1], 8, 1),
            )
        )
    except ModuleNotFoundError:
        print("PyTorch is not installed: its row is left out.")
    rows += [
        timed(
            "jit a step",
            lambda: jit_loop(box, update, y, steps, restarts),
            x,
            1,
            lambda: jit_loop(box, first, y[:1], steps, 1),
        ),
        timed(
            "one scanned",
            lambda: one_scanned(box, update, attack),
            x,
            1,
            lambda: one_scanned(box, first, replace(attack, restarts=1)),
        ),
        timed("batch", lambda: attack(box, update).x, x, repeats, lambda: attack(box, update)),
    ]
    baseline = rows[0]["cpu_seconds"]["median"]
    for row in rows:
        del row["pictures"]
    return [{"network": name, **row, "speedup": baseline / row["cpu_seconds"]["median"]} for row in rows]


def peers(python: str, x: np.ndarray, y: np.ndarray, steps: int, repeats: int) -> dict[str, Any]:
    """The package and breaching on the LeNet: PSNR of the same pictures, and CPU-seconds."""
    box = victim("lenet")
    update = replace(gradient_of(box, x[:, None], y[:, None]), label=y[:, None])
    weights: Any = {f"w{number}": value for number, value in enumerate(tensors(box.variables.params))}
    settings = [(PEERS_TV, *normalisation) for normalisation in NORMALISATIONS.values()]
    with tempfile.TemporaryDirectory() as folder:
        problem, result = Path(folder) / "problem.npz", Path(folder) / "peer.json"
        np.savez(problem, x=x, y=y, steps=steps, rows=settings, **weights)
        command = [python, Path(__file__).with_name("gradient_inversion_peer.py"), problem, result]
        subprocess.run(command, check=True, timeout=3600)
        theirs = json.loads(result.read_text())
    rows = []
    for name, peer in zip(NORMALISATIONS, theirs["rows"], strict=True):
        # The search's own coordinates run from -2 to 2.
        attack = InvertingGradients(steps=steps, tv=PEERS_TV / (4 * peer["deviation"]), learning_rate=RATE, restarts=1)
        own = timed(
            "batch", partial(_reconstruct, attack, box, update), x, repeats, partial(_reconstruct, attack, box, update)
        )
        each = np.array([psnr(one[None], truth[None]) for one, truth in zip(own.pop("pictures"), x, strict=True)])
        gain = each - peer["psnr"]
        rows.append(
            {
                "pictures": name,
                "tv": peer["tv"],
                "package": {**spread(each), "cpu_seconds": own["cpu_seconds"]["median"]},
                "breaching": {**spread(np.array(peer["psnr"])), "cpu_seconds": peer["cpu_seconds"]},
                "gain": spread(gain),
                "speedup": peer["cpu_seconds"] / own["cpu_seconds"]["median"],
            }
        )
    return {
        "steps": steps,
        "pictures": len(x),
        "rows": rows,
        "versions": theirs["versions"],
        "environment": environment(),
    }


def _reconstruct(attack: InvertingGradients, box: WhiteBox, update: Update) -> np.ndarray:
    return attack(box, update).x


def show_peers(found: dict[str, Any]) -> None:
    """Print the comparison."""
    table = Table(title=f"{found['pictures']} pictures, {found['steps']} steps, LeNet")
    for heading in (
        "pictures",
        "tv",
        "package, dB",
        "breaching, dB",
        "gain, dB",
        "package, CPU-s",
        "breaching, CPU-s",
        "speed-up",
    ):
        table.add_column(heading)
    for row in found["rows"]:
        decibels = [f"{row[key]['mean']:.1f} ± {row[key]['error']:.1f}" for key in ("package", "breaching", "gain")]
        seconds = [f"{row[key]['cpu_seconds']:.1f}" for key in ("package", "breaching")]
        table.add_row(row["pictures"], f"{row['tv']:g}", *decibels, *seconds, f"{row['speedup']:.1f}")
    Console(width=max(Console().width, 120)).print(table)


def show(rows: list[dict[str, Any]], where: dict[str, Any], size: str) -> None:
    """Print the table."""
    table = Table(title=f"{size}; " + ", ".join(f"{key} {value}" for key, value in where.items()))
    for heading in ("network", "loop", "CPU-s (least-most, n)", "wall, s", "speed-up", "PSNR, dB"):
        table.add_column(heading, justify="left" if heading in ("network", "loop") else "right")
    for row in rows:
        cpu = row["cpu_seconds"]
        table.add_row(
            row["network"],
            row["name"],
            f"{cpu['median']:.2f} ({cpu['least']:.2f}-{cpu['most']:.2f}, {cpu['n']})",
            f"{row['wall_seconds']:.1f}",
            f"{row['speedup']:.1f}",
            f"{row['psnr']:.1f}",
        )
    Console(width=max(Console().width, 120)).print(table)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Gradient inversion against a PyTorch loop.")
    parser.add_argument("--data", type=Path, help="an .npz with x uint8 [record, 32, 32, 3] and y")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3, help="of the last row")
    parser.add_argument("--networks", nargs="+", default=["mlp", "lenet"], choices=["mlp", "lenet"])
    parser.add_argument("--peers", help="the python of an environment with breaching and torch")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    x, y = pictures(options.data, options.images)
    if options.peers:
        found = peers(options.peers, x, y, options.steps, options.repeats)
        show_peers(found)
        write(options.out, {"breaching": found})
        return
    rows = [
        row
        for name in options.networks
        for row in compare(name, x, y, options.steps, options.restarts, options.repeats)
    ]
    where = environment()
    show(rows, where, f"{options.images} images x {options.restarts} restarts x {options.steps} steps")
    write(options.out, {"rows": rows, "environment": where})


if __name__ == "__main__":
    main()

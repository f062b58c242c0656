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

# pyright: reportMissingImports=false
# The PyTorch rows are measured where torch is installed.

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images

import jaxattack as ja
from jaxattack.attacks.inversion.gradient import InvertingGradients, Update, gradient_of
from jaxattack.audit.environment import device
from jaxattack.types import Model, WhiteBox

SHAPE, CLASSES, TV, RATE = (32, 32, 3), 10, 1e-3, 0.1
PEERS_TV = 1e-6

NORMALISATIONS = {"-2 to 2": (0.5, 0.25), "0 to 1": (0.0, 1.0)}
"""Of pictures before breaching sees them: mean and deviation, by where they then lie."""


def victim(name: str) -> WhiteBox:
    """An untrained network that takes pictures from 0 to 1."""
    model = (
        ja.models.build("lenet:12", SHAPE, CLASSES)
        if name == "lenet"
        else ja.models.build("mlp:128", SHAPE, CLASSES, activation="tanh")
    )
    variables = model.init(jax.random.key(0))
    return WhiteBox(model=model, variables=variables, inputs=ja.Inputs.box(0, 1, SHAPE), classes=CLASSES)


def pictures(data: Path | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Float pictures from 0 to 1, and labels."""
    if data:
        with np.load(data) as file:
            return file["x"][:count].astype(np.float32) / 255, file["y"][:count].astype(int)
    rng = np.random.default_rng(0)
    photographs = [image[::4, ::4] for image in load_sample_images().images]
    corners = [(rng.integers(image.shape[0] - 32), rng.integers(image.shape[1] - 32)) for image in photographs * count]
    cut = [image[i : i + 32, j : j + 32] for image, (i, j) in zip(photographs * count, corners, strict=True)][:count]
    return np.stack(cut).astype(np.float32) / 255, rng.integers(CLASSES, size=count)


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """Decibels, the mean over pictures that run from 0 to 1."""
    return float(np.mean(-10 * np.log10(((found - truth) ** 2).reshape(len(truth), -1).mean(axis=1))))


def torch_network(name: str, params: Any) -> Any:
    """The same network, with the same weights, in PyTorch."""
    import torch
    from torch import nn

    if name == "lenet":
        from gradient_inversion_peer import lenet

        return lenet(tensors(params))
    net = nn.Sequential(nn.Flatten(), nn.Linear(3072, 128), nn.Tanh(), nn.Linear(128, CLASSES))
    # Channels come first in PyTorch's pictures.
    first = np.asarray(params["layers"][0]["kernel"]).reshape(32, 32, 3, 128).transpose(3, 2, 0, 1).reshape(128, -1)
    weights = [first, np.asarray(params["layers"][1]["kernel"]).T]
    flat = [each for i, kernel in enumerate(weights) for each in (kernel, params["layers"][i]["bias"])]
    for parameter, value in zip(net.parameters(), flat, strict=True):
        parameter.data = torch.from_numpy(np.array(value))
    return net


def tensors(params: Any) -> list[np.ndarray]:
    """Weights and biases of the LeNet in PyTorch's order and shapes."""
    head = np.asarray(params["head"]["kernel"]).reshape(8, 8, 12, CLASSES).transpose(3, 2, 0, 1)
    weights = [np.asarray(params["convs"][i]["kernel"]).transpose(3, 2, 0, 1) for i in range(3)]
    biases = [np.asarray(layer["bias"]) for layer in (*(params["convs"][i] for i in range(3)), params["head"])]
    return [each for pair in zip([*weights, head.reshape(CLASSES, -1)], biases, strict=True) for each in pair]


def torch_loop(net: Any, x: np.ndarray, y: np.ndarray, steps: int, restarts: int) -> np.ndarray:
    """Inverting Gradients as a loop."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(0)
    parameters, found = list(net.parameters()), []
    for image, label in zip(torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y), strict=True):
        sent = torch.autograd.grad(cross_entropy(net(image[None]), label[None]), parameters)
        best, kept = float("inf"), image
        for _ in range(restarts):
            z = torch.randn(1, 3, 32, 32).clamp_(-2, 2).requires_grad_()
            optimizer = torch.optim.Adam([z], lr=RATE)
            drops = [int(steps * share) for share in (3 / 8, 5 / 8, 7 / 8)]
            schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, drops, 0.1)
            for _ in range(steps):
                made = torch.autograd.grad(cross_entropy(net(0.5 + z / 4), label[None]), parameters, create_graph=True)
                dot = sum((a * b).sum() for a, b in zip(made, sent, strict=True))
                sizes = sum((a * a).sum() for a in made) * sum((b * b).sum() for b in sent)
                rough = (z[..., 1:, :] - z[..., :-1, :]).abs().mean() + (z[..., 1:] - z[..., :-1]).abs().mean()
                value = 1 - dot / sizes**0.5 + TV * rough
                (z.grad,) = torch.autograd.grad(value, [z])
                if value.item() < best:
                    best, kept = value.item(), (0.5 + z / 4).detach()[0].clone()
                z.grad.sign_()
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    z.clamp_(-2, 2)
        found.append(kept.permute(1, 2, 0).numpy())
    return np.stack(found)


@partial(jax.jit, static_argnums=(0, 1))
def _step(model: Model, steps: int, variables: Any, sent: Any, target: Any, z: Any, moved: Any) -> Any:
    def cost(z):
        def loss(params):
            return -jnp.sum(target * jax.nn.log_softmax(model.apply(variables._replace(params=params), 0.5 + z / 4)))

        made = jax.grad(loss)(variables.params)
        dot, own, theirs = (
            sum(jnp.vdot(u, v) for u, v in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
            for a, b in ((made, sent), (made, made), (sent, sent))
        )
        rough = jnp.abs(jnp.diff(z, axis=1)).mean() + jnp.abs(jnp.diff(z, axis=2)).mean()
        return 1 - dot / jnp.sqrt(own * theirs) + TV * rough

    value, gradient = jax.value_and_grad(cost)(z)
    change, moved = _adam(steps).update(jnp.sign(gradient), moved)
    return jnp.clip(z + change, -2, 2), moved, value


def _adam(steps: int) -> optax.GradientTransformation:
    drops = {int(steps * share): 0.1 for share in (3 / 8, 5 / 8, 7 / 8)}
    return optax.adam(optax.piecewise_constant_schedule(RATE, drops))


def jit_loop(box: WhiteBox, update: Update, y: np.ndarray, steps: int, restarts: int) -> np.ndarray:
    """The loop in JAX, a compiled step at a time."""
    found = []
    for user, label in enumerate(y):
        sent = jax.tree.map(lambda leaf, user=user: jnp.asarray(leaf[user]), update.sent)
        best, kept = np.inf, np.zeros(SHAPE, np.float32)
        for restart in range(restarts):
            z = jnp.clip(jax.random.normal(jax.random.key(user * restarts + restart), (1, *SHAPE)), -2, 2)
            moved = _adam(steps).init(z)
            for _ in range(steps):
                before = z
                z, moved, value = _step(
                    box.model, steps, box.variables, sent, jax.nn.one_hot(jnp.array([label]), CLASSES), z, moved
                )
                if float(value) < best:
                    best, kept = float(value), np.asarray(0.5 + before[0] / 4)
        found.append(kept)
    return np.stack(found)


def one_scanned(box: WhiteBox, update: Update, attack: InvertingGradients) -> np.ndarray:
    """One image and one restart at a time, through the package."""
    found, single = [], replace(attack, restarts=1)
    for user in range(update.users):
        sent = jax.tree.map(lambda leaf, user=user: leaf[user : user + 1], update.sent)
        alone = Update(
            sent=sent, terms=update.terms, label=None if update.label is None else update.label[user : user + 1]
        )
        tries = [single(box, alone, seed=seed) for seed in range(attack.restarts)]
        found.append(max(tries, key=lambda each: float(each.score[0, 0])).x[0])
    return np.stack(found)


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
                "package": {**_spread(each), "cpu_seconds": own["cpu_seconds"]["median"]},
                "breaching": {**_spread(np.array(peer["psnr"])), "cpu_seconds": peer["cpu_seconds"]},
                "gain": _spread(gain),
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


def _spread(values: np.ndarray) -> dict[str, Any]:
    """Decibels: each, their mean, and the standard error of the mean."""
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return {"psnr": values.round(2).tolist(), "mean": float(values.mean()), "error": error}


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


def environment() -> dict[str, Any]:
    """The device and the versions."""
    found: dict[str, Any] = {"device": device()}
    for package in ("jax", "flax", "optax", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


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


def write(out: Path | None, figures: dict[str, Any]) -> None:
    """Put figures into the file, which keeps those of the other command."""
    if out:
        before = json.loads(out.read_text()) if out.exists() else {}
        out.write_text(json.dumps({**before, **figures}, indent=1) + "\n")


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

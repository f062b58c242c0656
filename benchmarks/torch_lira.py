"""A PyTorch loop that audits as `jaxattack membership --attacks lira-online` does, for `benchmarks/price.py`, which runs it where torch is.

    python benchmarks/torch_lira.py work.json

The file names an .npz of x and y, the network, its recipe, how many models, over how many processes, and where the report goes.
Each process trains its share one after the other with one thread; then the likelihood ratios of every model's records are
computed from all the others (Carlini et al. 2022, online), and a report of AUC and true-positive rates is written as JSON.
"""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def members_of(models: int, records: int, seed: int) -> np.ndarray:
    """Complementary halves, as jaxattack's default design has them: Bool["model record"]."""
    rng = np.random.default_rng(seed)
    first = np.zeros((models // 2, records), bool)
    for row in first:
        row[rng.permutation(records)[: records // 2]] = True
    return np.stack([first, ~first], axis=1).reshape(models, records)


def train(work: dict[str, Any], share: int) -> None:
    """One process: its share of the models, and what each says of every record."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.manual_seed(work["seed"] + share)
    file = np.load(work["data"])
    x, y = torch.from_numpy(file["x"]), torch.from_numpy(file["y"].astype(np.int64))
    if x.dtype == torch.uint8:
        x = (x.float() / 127.5 - 1.0).permute(0, 3, 1, 2).contiguous()
    classes = int(y.max()) + 1
    member = members_of(work["models"], len(x), work["seed"])

    def network() -> nn.Module:
        if work["model"].startswith("cnn"):
            side = x.shape[2] // 4
            layers = [
                nn.Conv2d(x.shape[1], 16, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1),
            ]
            return nn.Sequential(
                *layers, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(side * side * 32, classes)
            )
        width = int(work["model"].partition(":")[2])
        return nn.Sequential(nn.Linear(x.shape[1], width), nn.ReLU(), nn.Linear(width, classes))

    rows, accuracy = [], []
    for model in range(share, work["models"], work["processes"]):
        net, inside = network(), torch.from_numpy(np.flatnonzero(member[model]))
        change = torch.optim.Adam(net.parameters(), work["rate"], fused=True)
        for _ in range(work["epochs"]):
            order = inside[torch.randperm(len(inside))]
            for index in order[: len(order) // work["batch"] * work["batch"]].split(work["batch"]):
                change.zero_grad(set_to_none=True)
                functional.cross_entropy(net(x[index]), y[index]).backward()
                change.step()
        with torch.no_grad():
            logit = torch.cat([net(part) for part in x.split(512)]).double()
            right = logit.gather(1, y[:, None])[:, 0]
            others = logit.scatter(1, y[:, None], -torch.inf).logsumexp(1)
            rows.append((right - others).numpy())
            accuracy.append(float((logit.argmax(1) == y).numpy()[~member[model]].mean()))
    np.savez(f"{work['out']}.{share}.npz", phi=np.stack(rows), accuracy=np.array(accuracy))


def lira(phi: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Log likelihood ratios of every model's records, means and variances over the models of the other pairs."""
    total = {}
    for inside in (True, False):
        where = member == inside
        pair = np.arange(len(phi)) // 2
        own = np.add.reduceat(where * phi, np.arange(0, len(phi), 2), axis=0)[pair]
        squares = np.add.reduceat(where * phi**2, np.arange(0, len(phi), 2), axis=0)[pair]
        count = where.sum(axis=0) - np.add.reduceat(where.astype(int), np.arange(0, len(phi), 2), axis=0)[pair]
        mean = ((where * phi).sum(axis=0) - own) / count
        variance = ((where * phi**2).sum(axis=0) - squares) / count - mean**2
        total[inside] = mean, np.maximum(variance, 1e-12)
    density = {
        inside: -((phi - mean) ** 2) / (2 * variance) - np.log(variance) / 2
        for inside, (mean, variance) in total.items()
    }
    return density[True] - density[False]


def report(score: np.ndarray, member: np.ndarray) -> dict[str, Any]:
    """AUC and true-positive rates of all targets behind one threshold."""
    order = np.argsort(-score, axis=None)
    inside = member.ravel()[order]
    true, false = np.cumsum(inside) / inside.sum(), np.cumsum(~inside) / (~inside).sum()
    rates = {f"{rate}": float(true[np.searchsorted(false, rate, side="right") - 1]) for rate in (0.1, 0.01, 0.001)}
    return {"auc": float(np.trapezoid(true, false)), "tpr": rates}


def main() -> None:
    work = json.loads(Path(sys.argv[1]).read_text())
    if len(sys.argv) > 2:
        train(work, int(sys.argv[2]))
        return
    command = [sys.executable, __file__, sys.argv[1]]
    running = [subprocess.Popen([*command, str(share)]) for share in range(work["processes"])]
    if any(process.wait() for process in running):
        raise SystemExit("a process failed")
    parts = [np.load(f"{work['out']}.{share}.npz") for share in range(work["processes"])]
    phi = np.empty((work["models"], parts[0]["phi"].shape[1]))
    for share, part in enumerate(parts):
        phi[share :: work["processes"]] = part["phi"]
    member = members_of(work["models"], phi.shape[1], work["seed"])
    accuracy = float(np.mean(np.concatenate([part["accuracy"] for part in parts])))
    Path(work["out"]).write_text(json.dumps({"test_accuracy": accuracy, **report(lira(phi, member), member)}))


if __name__ == "__main__":
    main()

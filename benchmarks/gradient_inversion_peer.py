"""Inverting Gradients by breaching, for `benchmarks/gradient_inversion.py --peers`, which runs this where it is installed.

    python benchmarks/gradient_inversion_peer.py problem.npz peer.json

The first file holds the LeNet's tensors in PyTorch's order (w0, w1, ...), pictures x ["record height width channel"] from 0
to 1 with labels y, and rows: ["row 3"], each a weight of the total variation with the mean and the deviation by which pictures
are normalised before the attack sees them. The network takes pictures from 0 to 1 in every row. The second file gets a
row's PSNR of each picture and its CPU-seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]


def lenet(tensors):
    """Three convolutions of 12 filters with sigmoids and a dense layer, of weights and biases in turn."""
    layers = []
    for channels, stride in ((3, 2), (12, 2), (12, 1)):
        layers += [nn.Conv2d(channels, 12, 5, stride, 2), nn.Sigmoid()]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(768, 10))
    for parameter, value in zip(net.parameters(), tensors, strict=True):
        parameter.data = torch.from_numpy(np.array(value))
    return net


class Normalised(nn.Module):
    """A network of normalised pictures."""

    def __init__(self, net, mean, deviation):
        super().__init__()
        self.net, self.mean, self.deviation, self.name = net, mean, deviation, "lenet"

    def forward(self, z):
        """Logits."""
        return self.net(self.mean + self.deviation * z)


def invert(net, x, y, steps, tv, mean, deviation, seed):
    """The reconstruction of one picture, and CPU-seconds."""
    import breaching  # pyright: ignore[reportMissingImports]

    model, loss = Normalised(net, mean, deviation), nn.CrossEntropyLoss()
    with contextlib.redirect_stdout(io.StringIO()):
        settings = breaching.get_attack_config("invertinggradients")
    settings.optim.max_iterations, settings.regularization.total_variation.scale = steps, tv
    attacker = breaching.attacks.prepare_attack(model, loss, settings)
    sent = torch.autograd.grad(loss(model((x - mean) / deviation), y), list(model.parameters()))
    metadata = SimpleNamespace(shape=[3, 32, 32], modality="vision", mean=[mean] * 3, std=[deviation] * 3)
    payload = [{"parameters": [each.detach() for each in model.parameters()], "buffers": [], "metadata": metadata}]
    known = {"num_data_points": len(x), "labels": y, "local_hyperparams": None}
    shared = [{"gradients": list(sent), "buffers": [], "metadata": known}]
    torch.manual_seed(seed)
    begin = time.process_time()
    found, _ = attacker.reconstruct(payload, shared, {})
    return mean + deviation * found["data"], time.process_time() - begin


def main() -> None:
    """Run every row."""
    warnings.filterwarnings("ignore")
    # One picture does not fill two threads, and threads that wait count as CPU-seconds.
    torch.set_num_threads(1)
    source, target = map(Path, sys.argv[1:3])
    with np.load(source) as file:
        net = lenet([file[f"w{number}"] for number in range(8)])
        x, y = torch.from_numpy(file["x"]).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(file["y"])
        steps, rows = int(file["steps"]), file["rows"].tolist()
    found = []
    invert(net, x[:1], y[:1], 8, 0.0, 0.0, 1.0, 0)  # what is compiled or loaded at first
    for tv, mean, deviation in rows:
        psnr, seconds = [], 0.0
        for number in range(len(x)):
            one = slice(number, number + 1)
            made, spent = invert(net, x[one], y[one], steps, tv, mean, deviation, number)
            psnr.append(float(-10 * torch.log10(((made - x[one]) ** 2).mean())))
            seconds += spent
        found.append({"tv": tv, "mean": mean, "deviation": deviation, "psnr": psnr, "cpu_seconds": seconds})
    versions = {"breaching": version("breaching"), "torch": torch.__version__, "threads": 1}
    target.write_text(json.dumps({"rows": found, "versions": versions}))


if __name__ == "__main__":
    main()

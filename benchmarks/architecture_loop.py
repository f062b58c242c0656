"""Networks of the attribute grid in PyTorch, one after another, for `benchmarks/architecture.py`, which runs it where that is installed.

    python benchmarks/architecture_loop.py nets.npz loop.json

The first file holds codes, batches, records and initial weights; the second gets seconds of a processor a network, and the mean
accuracy.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

ACTIVATIONS = (nn.ReLU, nn.ELU, nn.PReLU, nn.Tanh)


def network(file, net: int) -> nn.Module:
    """One architecture, of its own layers."""
    activation, dropout, pooling, kernel, convolutions, dense, *_ = map(int, file["codes"][net])
    side, filters, edge = 3 + 2 * kernel, file["kernels"].shape[-1], 1 - kernel
    layers: list[nn.Module] = []
    channels = file["x"].shape[-1]
    for number in range(2 + convolutions):
        stride = 2 if number == 0 and not pooling else 1
        layer = nn.Conv2d(channels if number == 0 else filters, filters, side, stride, side // 2)
        whole = file["first"][net] if number == 0 else file["kernels"][net, number - 1]
        cut = whole[edge : 5 - edge, edge : 5 - edge]
        layer.weight.data = torch.tensor(cut.transpose(3, 2, 0, 1).copy())
        nn.init.zeros_(layer.bias)
        layers += [layer, *([nn.MaxPool2d(2)] if number == 0 and pooling else []), ACTIVATIONS[activation]()]
    layers.append(nn.Flatten())
    places = (file["x"].shape[1] // 2) * (file["x"].shape[2] // 2)
    for number in range(1 + dense):
        matrix = file["flat"][net] if number == 0 else file["hidden"][net, number - 1]
        if number == 0:  # PyTorch's features are channels first
            matrix = matrix.reshape(places, filters, -1).swapaxes(0, 1).reshape(places * filters, -1)
        layer = nn.Linear(*matrix.shape)
        layer.weight.data, layer.bias.data = torch.tensor(matrix.T.copy()), torch.zeros(matrix.shape[1])
        layers += [layer, ACTIVATIONS[activation](), *([nn.Dropout(0.5)] if dropout else [])]
    last = nn.Linear(*file["last"][net].shape)
    last.weight.data, last.bias.data = torch.tensor(file["last"][net].T.copy()), torch.zeros(file["last"].shape[2])
    return nn.Sequential(*layers, last)


def train(file, net: int, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    """Train one, with its own optimizer and batch."""
    model, code = network(file, net), file["codes"][net]
    sgd, momentum, adam, rmsprop = map(float, file["rates"])
    optimizer = (
        lambda p: torch.optim.SGD(p, sgd, momentum),
        lambda p: torch.optim.Adam(p, adam),
        lambda p: torch.optim.RMSprop(p, rmsprop, alpha=0.9),
    )[int(code[6])](model.parameters())
    batch = int(file["batch"]) * 2 ** int(code[7])
    order = torch.tensor(file["order"][net].astype(np.int64))
    rows = order.reshape(-1)[: order.numel() // batch * batch].reshape(-1, batch)
    loss = nn.CrossEntropyLoss()
    model.train()
    for own in rows:
        optimizer.zero_grad()
        loss(model(x[own]), y[own]).backward()
        optimizer.step()
    return model.eval()


def main() -> None:
    torch.set_num_threads(1)
    with np.load(sys.argv[1]) as archive:
        file = dict(archive)
    scaled = [
        torch.tensor(file[name].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2).contiguous()
        for name in ("x", "fresh_x")
    ]
    y, fresh_y = torch.tensor(file["y"].astype(np.int64)), torch.tensor(file["fresh_y"].astype(np.int64))
    train({**file, "order": file["order"][:, :2]}, 0, scaled[0], y)  # warm
    begin = time.process_time()
    models = [train(file, net, scaled[0], y) for net in range(len(file["codes"]))]
    seconds = (time.process_time() - begin) / len(models)
    with torch.no_grad():
        accuracy = [float((model(scaled[1]).argmax(1) == fresh_y).float().mean()) for model in models]
    with open(sys.argv[2], "w") as answer:
        json.dump({"seconds": seconds, "accuracy": float(np.mean(accuracy)), "torch": torch.__version__}, answer)


if __name__ == "__main__":
    main()

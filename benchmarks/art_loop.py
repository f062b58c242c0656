"""A loop over the Adversarial Robustness Toolbox's HopSkipJump, for `benchmarks/boundary.py`, which runs it where that is installed.

    python benchmarks/art_loop.py networks.npz distances.npz

The first file holds networks of two dense layers (w1, b1, w2, b2, a row each), records x, pairs of a network and a record,
and how many iterations to make. The second gets of each pair the distance, the distance after a bisection towards the record
(the toolbox ends on a step and makes none), the queries, and the seconds of all.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
from art.attacks.evasion import HopSkipJump  # noqa: E402  # pyright: ignore[reportMissingImports]
from art.estimators.classification import BlackBoxClassifier  # noqa: E402  # pyright: ignore[reportMissingImports]


class Network:
    """A network that counts what it is asked."""

    def __init__(self, w1, b1, w2, b2):
        self._layers, self.queries = (w1, b1, w2, b2), 0

    def answer(self, x: np.ndarray) -> np.ndarray:
        """One-hot labels."""
        w1, b1, w2, b2 = self._layers
        self.queries += len(x)
        z = np.maximum(x.reshape(len(x), -1) @ w1 + b1, 0) @ w2 + b2
        return np.eye(z.shape[1], dtype=np.float32)[z.argmax(axis=1)]


def bisected(network: Network, x: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The end of a bisection between a record and a point of another label."""
    label, inside = network.answer(x[None]).argmax(), x
    for _ in range(20):
        middle = (point + inside) / 2
        if network.answer(middle[None]).argmax() == label:
            inside = middle
        else:
            point = middle
    return point


def main() -> None:
    file = np.load(sys.argv[1])
    rows = []
    for model, record in file["pairs"]:
        network, x = Network(*(file[name][model] for name in ("w1", "b1", "w2", "b2"))), file["x"][record]
        classifier = BlackBoxClassifier(network.answer, x.shape, file["b2"].shape[1], clip_values=(-1.0, 1.0))
        attack = HopSkipJump(
            classifier, batch_size=256, max_iter=int(file["iterations"]), max_eval=10_000, init_eval=100, verbose=False
        )
        begin = time.perf_counter()
        point = attack.generate(x=x[None])[0]
        seconds, queries = time.perf_counter() - begin, network.queries
        far = np.linalg.norm(point - x), np.linalg.norm(bisected(network, x, point) - x)
        rows.append((*far, queries, seconds))
    distance, projected, queries, seconds = np.transpose(rows)
    np.savez(sys.argv[2], distance=distance, projected=projected, queries=queries, seconds=seconds.sum())


if __name__ == "__main__":
    main()

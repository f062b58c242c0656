"""What every row of the ensemble benchmark trains, and its clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RATE = 1e-3
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What every row trains: random records, so that only speed differs."""

    model: str
    shape: tuple[int, ...]
    classes: int
    records: int
    batch: int
    models: int
    epochs: int
    multiply_adds: tuple[int, ...]  # of each layer, for one record

    @property
    def members(self) -> int:
        return self.records // 2 // self.batch * self.batch

    @property
    def step_flops(self) -> float:
        first = self.multiply_adds[0]
        return 2.0 * self.batch * (3 * sum(self.multiply_adds) - first)


WORKLOADS = {
    "mlp-main": Workload(
        model="mlp:256",
        shape=(64,),
        classes=10,
        records=1797,
        batch=64,
        models=64,
        epochs=30,
        multiply_adds=(64 * 256, 256 * 10),
    ),
    "mlp-purchase": Workload(
        model="mlp:128",
        shape=(600,),
        classes=100,
        records=8000,
        batch=100,
        models=16,
        epochs=5,
        multiply_adds=(600 * 128, 128 * 100),
    ),
    "cnn": Workload(
        model="cnn:16-32",
        shape=(28, 28, 1),
        classes=10,
        records=5120,
        batch=64,
        models=4,
        epochs=1,
        multiply_adds=(28 * 28 * 9 * 16, 14 * 14 * 9 * 16 * 32, 7 * 7 * 32 * 10),
    ),
}


def records_of(work: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Random records and labels."""
    random = np.random.default_rng(0)
    x = random.standard_normal((work.records, *work.shape), np.float32)
    return x, random.integers(0, work.classes, work.records)


def timed(run: Callable[[], object], steps: int, repeats: int) -> list[float]:
    """Steps a second, each repeat; the first call, which warms up, is not counted."""
    run()
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        rates.append(steps / (time.perf_counter() - begin))
    return rates

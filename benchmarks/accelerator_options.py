"""What the roofline of a device is measured with: options, a clock, and the fastest way among those tried."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from jaxattack.training import Placement

Rows = list[dict[str, Any]]
CONSOLE = Console(width=150)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured, and for how long.

    Attributes:
        parts: those beside the ceilings.
        precision: "float32" or "bfloat16".
        repeats: of every measurement, without the one that warms up.
        patience: seconds after which no further way to train a kind of network is tried.
        deadline: by `time.perf_counter`, after which no part is begun.
        quick: smaller networks.
        whole: all 1,000 networks of Purchase size.
        data: records as `jaxattack.load` takes them; None for random ones.
        out: the JSON file to write.
    """

    parts: tuple[str, ...]
    precision: str
    repeats: int
    patience: float
    deadline: float
    quick: bool
    whole: bool
    data: str | None
    out: Path | None


def timed(run: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each repeat; the first call, which warms up, is not counted."""
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """The median, the least and the most."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "n": len(values)}


def fastest_of(rows: Rows, key: str, **same: object) -> dict[str, Any]:
    """The way of least seconds among those that ran.

    Raises:
        RuntimeError: none did.
    """
    ran = [way for way in rows if key in way and all(way[name] == value for name, value in same.items())]
    if not ran:
        raise RuntimeError(f"no way ran: {rows}")
    return min(ran, key=lambda way: way[key])


def best_placement(rows: Rows) -> Placement:
    """The way that trains fastest, and the block of questions that is answered fastest in it."""
    best = fastest_of(rows, "step_seconds")
    block = fastest_of(rows, "answer_seconds", conv=best["conv"], group=best["group"])["block"]
    return Placement(vmap=best["group"], conv=best["conv"], block=block)

"""Work in blocks, spread over threads: NumPy releases the interpreter's lock while it sorts and adds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

BLOCK_VALUES = 2**20  # values of one array in one block: 8 MB in float64
CACHED_VALUES = 2**16  # half a megabyte, so that the few arrays of one step stay in a core's own cache

Result = TypeVar("Result")

_WORKER = threading.local()


def mark_worker() -> None:
    """Tell `map_threads` that this thread is one of several already; the initializer of a pool of threads."""
    _WORKER.marked = True


def map_threads(function: Callable[..., Result], items: Sequence) -> list[Result]:
    """The function of each item, in order, computed by as many threads as the machine has cores; of one item, or in a thread
    that is one of several, by none."""
    if len(items) == 1 or getattr(_WORKER, "marked", False):
        return [function(item) for item in items]
    with ThreadPoolExecutor(os.cpu_count(), initializer=mark_worker) as pool:
        return list(pool.map(function, items))


def record_blocks(models: int, records: int, queries: int, values: int = BLOCK_VALUES) -> list[slice]:
    """Consecutive slices of the records, each with so many values at most for all models.

    Sums over records that round are added up block by block: their last bits depend on the number of values.
    """
    width = max(1, values // (models * queries))
    return [slice(start, min(start + width, records)) for start in range(0, records, width)]

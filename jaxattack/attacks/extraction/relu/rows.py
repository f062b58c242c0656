"""Batches: named tuples of arrays that share their first axis."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

Rows = TypeVar("Rows", bound=NamedTuple)


def take(rows: Rows, index: np.ndarray | np.bool) -> Rows:
    """The chosen rows, by mask or index."""
    return rows._make(field[index] for field in rows)


def join(*batches: Rows) -> Rows:
    """All rows of all batches."""
    return batches[0]._make(map(np.concatenate, zip(*batches, strict=True)))

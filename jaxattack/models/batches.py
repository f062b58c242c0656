"""Batches of such lengths that few programs are compiled."""

from __future__ import annotations

import numpy as np


def pad_batch(x: np.ndarray, fewest: int = 1) -> np.ndarray:
    """The array with its last row repeated up to a power of two, so that few programs are compiled."""
    if not len(x):
        return x
    length = max(1 << (len(x) - 1).bit_length(), fewest)
    return np.concatenate([x, np.repeat(x[-1:], length - len(x), axis=0)])

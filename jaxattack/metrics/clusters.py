"""Which models of a sweep share out the records, as the pairs of `jaxattack.data.designs.Halves` do.

Records that all models have, or none, tell nothing and are not looked at.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int


def varying_records(member: Bool[np.ndarray, "model record"]) -> Int[np.ndarray, "varying"]:
    """The records that some models have and some have not."""
    return np.flatnonzero(member.any(axis=0) & ~member.all(axis=0))


def model_clusters(member: Bool[np.ndarray, "model record"]) -> Int[np.ndarray, "model"]:
    """Models that have the same members, or exactly the members that the others lack.

    Returns:
        A label for each model, from 0, in the order in which the clusters begin.
    """
    bits = np.packbits(member, axis=1)
    varying = np.bitwise_or.reduce(bits, axis=0) & ~np.bitwise_and.reduce(bits, axis=0)
    first_varying = int(np.unpackbits(varying).argmax())
    flipped = np.where(member[:, [first_varying]], np.uint8(255), np.uint8(0))
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(row.tobytes(), len(first)) for row in (bits ^ flipped) & varying])

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
    varying = member[:, varying_records(member)]
    rows = np.packbits(varying ^ varying[:, :1], axis=1)
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(row.tobytes(), len(first)) for row in rows])

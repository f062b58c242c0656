"""The answer to a record's nearest neighbour in its place (Du et al. 2026, NDSS, PMIA's proxies by instance).

The authors look for the neighbour among records of the same class by the cosine of CLIP's embeddings, or of the values themselves;
here it is by the values, no further model being at hand. Columns are put on one scale first, where a table's columns have units of
their own.
"""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.signals.phi import Phi
from jaxattack.signals.scores import Labels, Values
from jaxattack.types import Sight, View, config

AT_ONCE = 512  # rows of a table of distances that are in memory together


@config
class NearestPhi:
    """Phi of the nearest other record of the class, and whether the model was trained on that: ["record query 2"]."""

    name = "nearest_phi"
    paper = "Du et al. 2026, NDSS"
    sees: Sight = "probability"
    queries = 1
    reads = Phi()

    def proxies(
        self, x: Shaped[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
    ) -> Int[np.ndarray, "record"]:
        """As `jaxattack.types.ProxySignal`: the nearest by the cosine; of any class where the record's has no other."""
        return nearest_records(x, y)

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:
        """Phi of one answer."""
        return Phi()(view, x, y, key)


def nearest_records(
    x: Shaped[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
) -> Int[np.ndarray, "record"]:
    """The number of the most similar other record of the same class; of any class where there is none, the first of equals.

    Args:
        x: at least two records.
        y: their classes.
    """
    unit = unit_rows(x)
    nearest = np.empty(len(y), int)
    for group in np.unique(y):
        own = np.flatnonzero(y == group)
        pool = own if len(own) > 1 else np.arange(len(y))
        for start in range(0, len(own), AT_ONCE):
            some = own[start : start + AT_ONCE]
            cosine = unit[some] @ unit[pool].T
            cosine[some[:, None] == pool] = -np.inf
            nearest[some] = pool[cosine.argmax(axis=1)]
    return nearest


def unit_rows(x: Shaped[np.ndarray, "record *feature"]) -> Float[np.ndarray, "record column"]:
    """Records as rows of length 1, a column of several units divided by its deviation; a row of zeros stays one."""
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    if x.ndim == 2:
        spread = flat.std(axis=0)
        flat = flat / np.where(spread > 0, spread, 1.0)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.where(length > 0, length, 1.0)

"""Records of a victim in shares of each feature's range, where searches that only ask move them, and back."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Key

from jaxattack.perturb.box import span_of
from jaxattack.types import Inputs


def keys_of(seed: int, records: Int[np.ndarray, "record"]) -> Key[jax.Array, "record"]:
    """A key of each record, by its number alone."""
    return jax.vmap(lambda record: jax.random.fold_in(jax.random.key(seed), record))(jnp.asarray(records))


def share_of(x: Float[np.ndarray, "record *feature"], inputs: Inputs) -> Float[jax.Array, "record *feature"]:
    """Records as shares of the range."""
    return jnp.asarray(((x - inputs.low) / span_of(inputs)).astype(np.float32))


def bounds_of(
    share: Float[jax.Array, "record *feature"], inputs: Inputs
) -> tuple[Float[jax.Array, "record *feature"], Float[jax.Array, "record *feature"]]:
    """The least and the most that a point of each record may be; categories stay as the record has them."""
    fixed = inputs.categories > 0
    most = ((inputs.high - inputs.low) / span_of(inputs)).astype(np.float32)
    return jnp.where(fixed, share, np.float32(0)), jnp.where(fixed, share, most)


def units_of(
    share: Float[np.ndarray, "query *feature"], x: Float[np.ndarray, "query *feature"], inputs: Inputs
) -> Float[np.ndarray, "query *feature"]:
    """Points in the units of the victim, categories as their records have them, and whole where it reads them so.

    Args:
        share: the points.
        x: the record of each, in those units.
        inputs: of the victim.
    """
    points = np.clip(inputs.low + share.astype(np.float64) * span_of(inputs), inputs.low, inputs.high)
    return np.where(inputs.categories > 0, x, np.rint(points) if inputs.whole else points)


def nearest_others(
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    others: Float[np.ndarray, "other *feature"],
    label: Int[np.ndarray, "other"],
    inputs: Inputs,
) -> Float[np.ndarray, "record *feature"]:
    """For each record the nearest that the victim labels otherwise; the record itself where there is none.

    Args:
        x: records.
        y: their labels.
        others: records whose answers are known.
        label: those answers.
        inputs: of the victim.
    """
    share, others_share = (np.asarray(share_of(each, inputs)).reshape(len(each), -1) for each in (x, others))
    nearest = x.copy()
    for own in np.unique(y):
        rows, apart = np.flatnonzero(y == own), np.flatnonzero(label != own)
        if len(apart):
            far = (others_share[apart] ** 2).sum(axis=1)[None] - 2 * share[rows] @ others_share[apart].T
            nearest[rows] = others[apart[far.argmin(axis=1)]]
    return nearest

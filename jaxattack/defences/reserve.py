"""Records that are no members, from which a defence learns: what MemGuard and the purifier share."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from jaxattack.types import Endpoint


def reserve_weight(key: PRNGKeyArray, endpoint: Endpoint, member: Any) -> Float[jax.Array, "record"]:
    """1 for the records set aside, 0 for the others; where none are, 1 for half of the non-members, drawn by key.

    Each is drawn by a coin. Of few non-members the coins may leave out all, and then all are taken.

    Args:
        key: of the draw.
        endpoint: the model, and the records set aside.
        member: Float["record"], 1 for its members; of NumPy or of JAX.
    """
    member = jnp.asarray(member)
    if endpoint.reserve is not None:
        return jnp.zeros_like(member).at[endpoint.reserve].set(1)
    coins: Any = jax.random.bernoulli(key, 0.5, member.shape)
    half = (1 - member) * coins.astype(member.dtype)
    return jnp.where(half.sum() > 0, half, 1 - member)

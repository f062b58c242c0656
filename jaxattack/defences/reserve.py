"""Records that are no members, from which a defence learns: what MemGuard and the purifier share."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, PRNGKeyArray

from jaxattack.types import Endpoint


def reserve_weight(
    key: PRNGKeyArray, endpoint: Endpoint, member: Float[jax.Array, "record"]
) -> Float[jax.Array, "record"]:
    """1 for the records set aside, 0 for the others; where none are, 1 for half of the non-members, drawn by key."""
    if endpoint.reserve is not None:
        return jnp.zeros_like(member).at[endpoint.reserve].set(1)
    drawn: Any = jax.random.bernoulli(key, 0.5, member.shape)
    return (1 - member) * drawn.astype(member.dtype)

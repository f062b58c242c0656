"""Records as shares of their range, in which autoencoders and squeezers work: 0 to 1 whatever the units of a query are."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float


class Scale(NamedTuple):
    """The range of queries: one for all pixels of pictures, one for each feature of a table.

    Attributes:
        low: its lower end.
        span: how far it reaches, above 0.
    """

    low: Float[jax.Array, "1 *feature"]
    span: Float[jax.Array, "1 *feature"]

    @classmethod
    def of(cls, records: Any) -> Scale:
        """The range of records as a defence is handed them; bytes are 0 to 255, seen as -1 to 1."""
        if records.dtype == np.uint8:
            one = jnp.ones((1,) * records.ndim)
            return cls(-one, 2 * one)
        axis = None if is_picture(records) else 0
        ends = (getattr(records, end)(axis=axis, keepdims=True) for end in ("min", "max"))
        low, high = (jnp.asarray(end, jnp.float32) for end in ends)
        return cls(low, jnp.where(high > low, high - low, 1))

    def share(self, x: Any) -> Float[jax.Array, "query *feature"]:
        """Queries as shares."""
        return (jnp.asarray(x).astype(jnp.float32) - self.low) / self.span

    def units(self, share: Float[jax.Array, "query *feature"]) -> Float[jax.Array, "query *feature"]:
        """Shares in the units of queries."""
        return self.low + share * self.span


def is_picture(x: Any) -> bool:
    """Whether records have rows, columns and channels: ["record height width channel"]."""
    return x.ndim == 4

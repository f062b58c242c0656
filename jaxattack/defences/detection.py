"""What detectors share: thresholds on marks of records that are no members, and refusals.

A detector marks a query; it is refused where the mark reaches the threshold. That is the mark at rank ``drop_rate`` n of n
validation records, so that so many of them are refused; with fewer than one to refuse it is the next number above the highest
mark. (The authors of MagNet take ``marks[-int(drop_rate * n)]``, which with less than one is the lowest mark, and refuses all.)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxattack.types import Answer

LEAST = 1e-6
"""Of a threshold: lower marks are the rounding of float32, as of a record that a squeezer leaves as it is."""


def thresholds(
    marks: Float[jax.Array, "detector record"], weight: Float[jax.Array, "record"], drop_rate: float
) -> Float[jax.Array, "detector"]:
    """The threshold of each detector, at least `LEAST`; infinite where there is no validation record, so that nothing is refused.

    Args:
        marks: at least 0.
        weight: 1 for validation records, 0 for the others.
        drop_rate: the share of them that each detector refuses.
    """
    descending = -jnp.sort(jnp.where(weight[None] > 0, -marks, jnp.inf), axis=1)
    count = jnp.floor(drop_rate * weight.sum() + 1e-6).astype(jnp.int32)
    at_rank = descending[:, jnp.maximum(count - 1, 0)]
    level = jnp.where(count > 0, at_rank, jnp.nextafter(at_rank, jnp.inf))
    return jnp.where(weight.sum() > 0, jnp.maximum(level, LEAST), jnp.inf)


def refuse(answer: Answer, refused: Bool[jax.Array, "query"]) -> Answer:
    """The answer with confidences all alike where it is refused, which leave the label as it is."""
    p: Any = answer.probability
    xp = p.__array_namespace__()
    even = xp.full_like(p, 1 / p.shape[1])
    return Answer(answer.label, xp.where(xp.asarray(refused)[:, None], even, p))

"""Norms in which a change is bounded: the ball, the steepest step within it, and a random point of it.

    linf    max |d_i|            steepest: sign of the gradient      random: uniform
    l2      (sum d_i^2)^(1/2)    steepest: gradient of length 1      random: uniform

Changes are in shares of each feature's range: half of every feature's range has the length .5 in linf and .5 sqrt(d) in l2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Float, Key

from jaxattack.types import config

_TINY = 1e-12

Norm = Literal["linf", "l2"]

Changes = Float[jax.Array, "record *feature"]


class Ball(Protocol):
    """All changes of at most a size, as a norm has them."""

    def length(self, change: Changes) -> Float[jax.Array, "record"]:
        """Of each change."""
        ...

    def project(self, change: Changes, size: jax.Array | float) -> Changes:
        """The nearest changes of at most this length."""
        ...

    def steepest(self, gradient: Changes) -> Changes:
        """The changes of length 1 that raise a linear function most; 0 where the gradient is."""
        ...

    def random(self, key: Key[jax.Array, ""], shape: tuple[int, ...]) -> Float[jax.Array, "*feature"]:
        """One change of at most length 1, all alike likely."""
        ...


@config
class Linf:
    """The max norm."""

    def length(self, change: Changes) -> Float[jax.Array, "record"]:
        """As `Ball`."""
        return jnp.abs(change).reshape(len(change), -1).max(axis=1)

    def project(self, change: Changes, size: jax.Array | float) -> Changes:
        """As `Ball`."""
        return jnp.clip(change, -size, size)

    def steepest(self, gradient: Changes) -> Changes:
        """As `Ball`."""
        return jnp.sign(gradient)

    def random(self, key: Key[jax.Array, ""], shape: tuple[int, ...]) -> Float[jax.Array, "*feature"]:
        """As `Ball`."""
        return jax.random.uniform(key, shape, jnp.float32, -1, 1)


@config
class L2:
    """The Euclidean norm."""

    def length(self, change: Changes) -> Float[jax.Array, "record"]:
        """As `Ball`."""
        return jnp.sqrt((change.reshape(len(change), -1) ** 2).sum(axis=1))

    def project(self, change: Changes, size: jax.Array | float) -> Changes:
        """As `Ball`."""
        length = self.length(change)
        return change * per_record(jnp.minimum(1.0, size / jnp.maximum(length, _TINY)), change)

    def steepest(self, gradient: Changes) -> Changes:
        """As `Ball`."""
        # By the largest first: squares of the gradients of a sure model underflow.
        largest = jnp.abs(gradient).reshape(len(gradient), -1).max(axis=1)
        scaled = jnp.where(per_record(largest, gradient) > 0, gradient / per_record(largest, gradient), 0.0)
        return scaled / per_record(jnp.maximum(self.length(scaled), _TINY), scaled)

    def random(self, key: Key[jax.Array, ""], shape: tuple[int, ...]) -> Float[jax.Array, "*feature"]:
        """As `Ball`."""
        return jax.random.ball(key, math.prod(shape), dtype=jnp.float32).reshape(shape)


BALLS: Mapping[Norm, Ball] = {"linf": Linf(), "l2": L2()}
"""Each norm by its name."""


def per_record(value: jax.Array, like: jax.Array) -> jax.Array:
    """One value a record, beside arrays that lead with ``record``."""
    return value.reshape(-1, *[1] * (like.ndim - 1))

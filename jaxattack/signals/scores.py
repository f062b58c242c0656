"""What signals of one answer share: a formula on raw outputs, and one on the confidences that a service shows.

From raw outputs nothing saturates. From confidences whatever the service cut is lost: those below `View.floor` are taken
as the floor, and classes that a service of the top k leaves out share the mass that remains.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxattack.types import Sight, View

Logits = Float[jax.Array, "record cls"]
Labels = Int[jax.Array, "record"]
Values = Float[jax.Array, "record"]

TINY = float(jnp.finfo(jnp.float32).tiny)
"""The floor of answers that nothing cut: the smallest normal float32."""


class Scored(ABC):
    """A signal of one answer: `of_logits` where there are any, else `of_probability`."""

    sees: Sight = "probability"
    queries = 1

    @abstractmethod
    def of_logits(self, z: Logits, y: Labels) -> Values:
        """The signal of raw outputs less their largest."""

    def of_probability(self, p: Logits, y: Labels, floor: float) -> Values:
        """The signal of confidences; by default that of the logarithms of those above the floor."""
        return self.of_logits(jnp.log(jnp.maximum(p, floor)), y)

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> Values:  # noqa: ARG002
        """As `jaxattack.types.Signal`."""
        answer = view.answer(x)
        if answer.logit is not None:
            return self.of_logits(levelled(jnp.asarray(answer.logit)), y)
        return self.of_probability(completed(jnp.asarray(answer.probability)), y, view.floor)


def levelled(z: Logits) -> Logits:
    """Raw outputs less their largest: a large common offset would cost differences digits."""
    return z - jnp.max(z, axis=1, keepdims=True)


def completed(p: Logits) -> Logits:
    """Confidences with the classes that are left out, NaN, sharing evenly what remains of 1."""
    absent = jnp.isnan(p)
    rest = jnp.maximum(1 - jnp.sum(jnp.where(absent, 0.0, p), axis=1, keepdims=True), 0.0)
    sharing = jnp.maximum(jnp.sum(absent, axis=1, keepdims=True), 1).astype(p.dtype)
    return jnp.where(absent, rest / sharing, p)


def of_label(values: Logits, y: Labels) -> Values:
    """Each record's entry of its label."""
    return jnp.take_along_axis(values, y[:, None], axis=1)[:, 0]


def others(z: Logits, y: Labels) -> Logits:
    """Raw outputs with minus infinity at the label."""
    return jnp.where(jax.nn.one_hot(y, z.shape[1], dtype=bool), -jnp.inf, z)


def of_others(p: Logits, y: Labels, floor: float) -> Values:
    """1 - p_y, at least the floor: the sum of the others where they are exact, for subtracting would cancel."""
    exact = jnp.sum(jnp.where(jax.nn.one_hot(y, p.shape[1], dtype=bool), 0.0, p), axis=1)
    return jnp.maximum(exact if floor <= TINY else 1 - of_label(p, y), floor)

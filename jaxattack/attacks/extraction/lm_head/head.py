"""A stolen last layer: logits["query cls"] = states["query hidden"] projection^T + offset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.types import InputError, Model, Variables


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """The last layer of a language model.

    Attributes:
        projection: the victim's W, up to a change of basis of the hidden states, and without its mean row where only
            probabilities or labels were answered. The rows of tokens that were not read are NaN.
        offset: of the logits where the hidden states are zero; zero where the victim has none. NaN as the projection.
    """

    projection: Float[np.ndarray, "cls hidden"]
    offset: Float[np.ndarray, "cls"]

    @property
    def hidden(self) -> int:
        """The hidden size."""
        return self.projection.shape[1]

    @property
    def coverage(self) -> np.ndarray:
        """Bool["cls"], the tokens that were read."""
        return np.isfinite(self.offset)

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """What `head_model` takes."""
        return {"projection": self.projection, "offset": self.offset}

    def answer(self, x: np.ndarray) -> NoReturn:
        """Refuse: a head does not know what comes before it.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"{len(x)} prompts cannot be answered by a last layer alone: it maps hidden states to logits, "
            "as the extraction's model does, and the layers before it were not stolen."
        )


@cache
def head_model(hidden: int, classes: int) -> Model:
    """The Model of `Head.parameters`; its inputs are hidden states. The same sizes give the same object.

    Args:
        hidden: the hidden size.
        classes: how many tokens.
    """

    def init(key: jax.Array) -> Variables:
        projection = jax.random.normal(key, (classes, hidden)) / jnp.sqrt(hidden)
        return Variables({"projection": projection, "offset": jnp.zeros(classes)}, {})

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        projection, offset = (jnp.asarray(variables.params[name], x.dtype) for name in ("projection", "offset"))
        return x @ projection.T + offset[None]

    return Model(init, apply, lambda variables, x, _key: (apply(variables, x), {}))

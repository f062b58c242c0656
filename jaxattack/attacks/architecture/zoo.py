"""A zoo: networks whose attributes are known, from which an attack learns what their answers tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.models.attribute_grid import ATTRIBUTES, GridNetwork, Weights
from jaxattack.types import Access, Answer

FEWEST = 32
"""Networks from which anything can be learnt: a few of each value, with a quarter held out."""

_TOGETHER = 16
"""Networks asked at the same time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Zoo:
    """Networks of a grid.

    Attributes:
        network: the grid.
        weights: of each; every leaf leads with the axis ``net``.
        codes: their attributes, as `jaxattack.models.attribute_grid` numbers them.
        accuracy: of each on records that none was trained on.
    """

    network: GridNetwork
    weights: Weights
    codes: Int[np.ndarray, "net attribute"]
    accuracy: Float[np.ndarray, "net"]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, nets: Int[np.ndarray, "some"]) -> Zoo:
        """The chosen networks."""
        weights = jax.tree.map(lambda leaf: leaf[nets], self.weights)
        return Zoo(network=self.network, weights=weights, codes=self.codes[nets], accuracy=self.accuracy[nets])

    def answer(self, x: Float[np.ndarray, "query *feature"], access: Access) -> Answer:
        """What each network answers on a victim's terms: arrays lead with the axis ``net``.

        Args:
            x: questions, -1 to 1.
            access: the terms: what level, how many classes, to how many decimals.
        """
        return on_terms(np.asarray(_logits(self.network, self.weights, self.codes, x)), access)


@partial(jax.jit, static_argnums=0)
def _logits(network: GridNetwork, weights: Weights, codes: jax.Array, x: jax.Array) -> jax.Array:
    patches = network.patches(x)
    return jax.lax.map(lambda one: network.logits(one[0], one[1], patches), (weights, codes), batch_size=_TOGETHER)


def on_terms(logits: Float[np.ndarray, "net query cls"], access: Access) -> Answer:
    """What a service on these terms would say: labels, and confidences unless it answers with labels alone.

    Confidences below the ``top`` are NaN and others are rounded to the ``decimals``, as a service's would be.
    """
    label = logits.argmax(axis=2)
    if access.level == "label":
        return Answer(label)
    probability = np.asarray(jax.nn.softmax(jnp.asarray(logits), axis=2), np.float64)
    if access.decimals is not None:
        probability = probability.round(access.decimals)
    if access.top:
        order = np.argsort(-probability, axis=2, kind="stable")
        np.put_along_axis(probability, order[:, :, access.top :], np.nan, axis=2)
    return Answer(label, probability)


def chance() -> Float[np.ndarray, "attribute"]:
    """How often a guess at random is right of each attribute."""
    return np.array([1 / len(attribute.values) for attribute in ATTRIBUTES])

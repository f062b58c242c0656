"""Stacked denoising autoencoders (Vincent et al. 2010): hidden layers that learn without labels, one after the other.

A layer maps h to sigmoid(h W + b) so that h can be told from it although some of h was hidden:

    min over W, b, c of  |sigmoid(h~ W + b) W^T + c - h|^2,    h~ is h with a share of its features at their means

and what comes out of it is the h of the next. With a softmax regression on top, all of it then trained with labels, it is
the third victim of Fredrikson, Jha and Ristenpart (2015, section 5).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Shaped

from jaxattack.descent import descend
from jaxattack.models import build
from jaxattack.training.images import as_input
from jaxattack.types import Model, Variables

HIDDEN_SHARE, BATCH, STEPS = 0.3, 64, 2000
"""The share of features at their means, records a step, and steps a layer."""


def denoising_start(
    widths: tuple[int, ...], x: Shaped[np.ndarray, "record *feature"], classes: int, *, seed: int = 0
) -> Model:
    """A sigmoid multilayer perceptron that begins where its layers are denoising autoencoders of some records.

    Args:
        widths: of the hidden layers.
        x: records, bytes or floats.
        classes: outputs.
        seed: decides the draws.

    Returns:
        The Model. Its ``init`` gives what the layers learnt; the key decides the layer above them alone.
    """
    architecture = f"mlp:{'-'.join(map(str, widths))}"
    model = build(architecture, x.shape[1:], classes, activation="sigmoid")
    h = as_input(jnp.asarray(x)).reshape(len(x), math.prod(x.shape[1:]))
    leaves_below = []
    for number, layer in enumerate(_layers(model.init(jax.random.key(seed)))[:-1]):
        weights, h = _layer(layer, h, jax.random.fold_in(jax.random.key(seed), number))
        leaves_below += [weights["bias"], weights["kernel"]]

    def init(key: jax.Array) -> Variables:
        variables = model.init(key)
        leaves, tree = jax.tree.flatten(variables.params)
        return variables._replace(params=jax.tree.unflatten(tree, leaves_below + leaves[len(leaves_below) :]))

    return model._replace(init=init)


def _layers(variables: Variables) -> list[dict[str, jax.Array]]:
    leaves = jax.tree.leaves(variables.params)
    return [{"bias": bias, "kernel": kernel} for bias, kernel in zip(leaves[::2], leaves[1::2], strict=True)]


@jax.jit
def _layer(
    layer: dict[str, jax.Array], h: Float[jax.Array, "record feature"], key: jax.Array
) -> tuple[dict[str, jax.Array], Float[jax.Array, "record unit"]]:
    """What a layer has learnt, and what it makes of the records."""
    mean = h.mean(axis=0)
    start = {**layer, "back": mean}

    def loss(weights, number):
        rows, places = jax.random.split(keys[number])
        batch = h[jax.random.randint(rows, (BATCH,), 0, len(h))]
        corruption = jnp.where(jax.random.bernoulli(places, HIDDEN_SHARE, batch.shape), mean[None], batch)
        return jnp.mean((_code(weights, corruption) @ weights["kernel"].T + weights["back"][None] - batch) ** 2)

    keys = jax.random.split(key, STEPS)
    weights = descend(loss, optax.adam(1e-3), start, STEPS).point
    return weights, _code(weights, h)


def _code(weights: dict[str, jax.Array], h: jax.Array) -> jax.Array:
    return jax.nn.sigmoid(h @ weights["kernel"] + weights["bias"][None])

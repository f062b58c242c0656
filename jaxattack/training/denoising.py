"""Stacked denoising autoencoders (Vincent et al. 2010): hidden layers that learn without labels, one after the other.

A layer maps h to sigmoid(h W + b) so that h can be told from it although some of h was hidden:

    min over W, b, c of  |sigmoid(h~ W + b) W^T + c - h|^2,    h~ is h with a share of its features at their means

and what comes out of it is the h of the next. With a softmax regression on top, all of it then trained with labels, it is
the third victim of Fredrikson, Jha and Ristenpart (2015, section 5).
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Shaped

from jaxattack.models import build
from jaxattack.training.images import as_input
from jaxattack.types import Model, Variables

HIDDEN_SHARE, BATCH, STEPS = 0.3, 64, 2000
"""The share of features at their means, records a step, and steps a layer."""

_ADAM = optax.adam(1e-3)


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
    learnt = []
    for number, layer in enumerate(_layers(model.init(jax.random.key(seed)))[:-1]):
        held, h = _layer(layer, h, jax.random.fold_in(jax.random.key(seed), number))
        learnt += [held["bias"], held["kernel"]]

    def init(key: jax.Array) -> Variables:
        drawn = model.init(key)
        leaves, tree = jax.tree.flatten(drawn.params)
        return drawn._replace(params=jax.tree.unflatten(tree, learnt + leaves[len(learnt) :]))

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

    def loss(held, key):
        rows, places = jax.random.split(key)
        whole = h[jax.random.randint(rows, (BATCH,), 0, len(h))]
        shown = jnp.where(jax.random.bernoulli(places, HIDDEN_SHARE, whole.shape), mean[None], whole)
        return jnp.mean((_code(held, shown) @ held["kernel"].T + held["back"][None] - whole) ** 2)

    def step(state, key):
        held, moved = state
        change, moved = _ADAM.update(jax.grad(loss)(held, key), moved)
        return (optax.apply_updates(held, change), moved), None

    (found, _), _ = jax.lax.scan(step, (start, _ADAM.init(start)), jax.random.split(key, STEPS))
    held: Any = found
    return held, _code(held, h)


def _code(held: dict[str, jax.Array], h: jax.Array) -> jax.Array:
    return jax.nn.sigmoid(h @ held["kernel"] + held["bias"][None])

"""Denoising autoencoders of records as shares of their ranges: those of MagNet (Meng and Chen 2017, arXiv 1705.09064).

    pictures   wide    conv - average pool - conv | conv - double - conv - conv      3x3 kernels, sigmoids throughout
               narrow  conv | conv - conv
    tables     wide    dense to half as many units | dense                           this project's: the paper has pictures
               narrow  dense to as many units | dense

They learn to give back x from x + noise, cut to 0..1: mean squared error and 1e-9 of the squared activations, by Adam on batches
that are drawn anew at each step.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from jaxattack.defences import network
from jaxattack.defences.scale import is_picture
from jaxattack.descent import descend
from jaxattack.models.batches import pad_batch

Layers = list[tuple[jax.Array, jax.Array]]
Depth = Literal["wide", "narrow"]
Shares = Float[jax.Array, "query *feature"]

ACTIVITY = 1e-9
"""Of the squared activations in the loss: the authors' code's."""
BLOCK = 512
"""Queries of NumPy that are reconstructed at once."""


def start(key: Any, depth: Depth, shape: tuple[int, ...], filters: int) -> Layers:
    """An autoencoder before it learns: Glorot weights, no bias.

    Args:
        key: of the draw.
        depth: which of the two.
        shape: of a record.
        filters: of each convolution but the last.
    """
    if len(shape) != 3:
        features = prod(shape)
        return network.start(key, (features, (features + 1) // 2 if depth == "wide" else features, features))
    channels = (shape[-1], *[filters] * (4 if depth == "wide" else 2), shape[-1])
    draw = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(key, len(channels) - 1)
    return [(draw(one, (3, 3, *pair)), jnp.zeros(pair[1])) for one, pair in zip(keys, pairwise(channels), strict=True)]


def reconstruct(layers: Layers, share: Shares) -> Shares:
    """What an autoencoder makes of shares: between 0 and 1."""
    return activations(layers, share)[-1]


def activations(layers: Layers, share: Shares) -> list[jax.Array]:
    """What every layer says; the last is the reconstruction."""
    if not is_picture(share):
        flat = share.reshape(len(share), -1)
        hidden = jax.nn.sigmoid(network.through(layers[:1], flat))
        return [hidden, jax.nn.sigmoid(network.through(layers[1:], hidden)).reshape(share.shape)]
    outputs, h = [], jnp.transpose(share, (3, 1, 2, 0))
    pools = len(layers) > 3
    for number, (kernel, bias) in enumerate(layers):
        if pools and number == 1:
            h = average(h)
        if pools and number == 3:
            h = jnp.repeat(jnp.repeat(h, 2, axis=1), 2, axis=2)[:, : share.shape[1], : share.shape[2]]
        h = jax.nn.sigmoid(convolve(h, kernel) + bias[:, None, None, None])
        outputs.append(h)
    return [*outputs[:-1], jnp.transpose(outputs[-1], (3, 1, 2, 0))]


def convolve(
    h: Float[jax.Array, "channel row column query"], kernel: Float[jax.Array, "3 3 channel out"]
) -> Float[jax.Array, "out row column query"]:
    """A 3x3 convolution of few channels, edges filled with zeros: one product, with the queries where a processor reads in a row.

    On a CPU a training step of MNIST takes 28 ms so, and 68 ms by `jaxattack.models.conv`, which has channels last.
    """
    rows, columns = h.shape[1:3]
    padded = jnp.pad(h, ((0, 0), (1, 1), (1, 1), (0, 0)))
    places = [padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    patches = jnp.concatenate(places).reshape(9 * h.shape[0], -1)
    out = kernel.shape[3]
    return (kernel.reshape(-1, out).T @ patches).reshape(out, rows, columns, h.shape[3])


def average(h: Float[jax.Array, "channel row column query"]) -> Float[jax.Array, "channel half_row half_column query"]:
    """Means of 2 x 2 places; an odd last row or column is averaged with itself."""
    h = jnp.pad(h, ((0, 0), (0, h.shape[1] % 2), (0, h.shape[2] % 2), (0, 0)), mode="edge")
    return h.reshape(h.shape[0], h.shape[1] // 2, 2, h.shape[2] // 2, 2, h.shape[3]).mean(axis=(2, 4))


class Training(NamedTuple):
    """How an autoencoder learns.

    Attributes:
        steps: of Adam.
        batch: records of each, at most.
        learning_rate: of Adam.
        noise: standard deviation, in shares.
    """

    steps: int
    batch: int
    learning_rate: float
    noise: float


def learn(key: Any, layers: Layers, share: Shares, weight: Float[jax.Array, "query"], training: Training) -> Layers:
    """An autoencoder after so many steps on the records with weight.

    Args:
        key: of the batches and of the noise.
        layers: as they start.
        share: of all records.
        weight: 1 for those it learns from, 0 for the others.
        training: how.
    """
    order, count = jnp.argsort(-weight), jnp.maximum(weight.sum().astype(jnp.int32), 1)
    batch = min(training.batch, len(share))

    def loss(layers, number):
        draw_key, noise_key = jax.random.split(jax.random.fold_in(key, number))
        clean = share[order[jax.random.randint(draw_key, (batch,), 0, count)]]
        noisy = jnp.clip(clean + training.noise * jax.random.normal(noise_key, clean.shape), 0, 1)
        *hidden, last = activations(layers, noisy)
        active = sum(jnp.sum(h**2) for h in hidden) / len(clean)
        return jnp.mean((last - clean) ** 2) + ACTIVITY * active

    return descend(loss, optax.adam(training.learning_rate), layers, training.steps).point


def reconstruct_all(layers: Layers, share: Shares) -> Shares:
    """The same of any number of records, a block at a time."""
    blocks = -(-len(share) // BLOCK)
    at = jnp.arange(blocks * min(BLOCK, len(share))).clip(max=len(share) - 1).reshape(blocks, -1)
    copies = jax.lax.map(lambda index: reconstruct(layers, share[index]), at)
    return copies.reshape(-1, *share.shape[1:])[: len(share)]


def in_batches(function: Any, state: Any, x: Any) -> Any:
    """A traceable ``function(state, x)`` of queries, or of NumPy's in batches of few sizes.

    Args:
        function: gives an array that leads with "query"; one object for each function, for it is compiled.
        state: a pytree of arrays.
        x: ["query *feature"].
    """
    if isinstance(x, jax.Array):
        return function(state, x)
    parts = [
        np.asarray(_compiled(function, state, pad_batch(x[at : at + BLOCK])))[: len(x[at : at + BLOCK])]
        for at in range(0, max(len(x), 1), BLOCK)
    ]
    return np.concatenate(parts)


@partial(jax.jit, static_argnames="function")
def _compiled(function: Any, state: Any, x: jax.Array) -> jax.Array:
    return function(state, x)

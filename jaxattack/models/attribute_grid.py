"""Convolutional networks of every architecture of a grid of attributes, as one function of weights and codes (Oh et al. 2018).

A network is told by its codes, one number an attribute, which are data and no part of the program: what is compiled once
trains and asks networks of all 144 architectures.

    convolution, 5x5 or 3x3         an activation     } as many times as the attribute says; the first is followed by a
                                                      } 2x2 maximum, or takes every second place (a stride of 2)
    dense of ``width`` units        an activation       dropout
    dense of the classes

    activation    all four are computed and one is selected: exact, as nothing is multiplied by 0
    kernel        3x3 is a 5x5 whose outer places are masked; the initial weights are scaled to the places that are left
    depth         a layer that is absent hands on what it is given
    dropout       a share of 0 drops nothing

Max pooling comes before the activation, which it commutes with where that rises. A convolution over at most `_PLACES` places is a
product with the matrix of its kernel's shifts, 2.5 times as fast as a product of patches: over 8x8 images 400 steps of 64 records
take half a second of a core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from jaxattack.models.conv import conv, windows
from jaxattack.types import InputError, Model, Variables

SIDE, LAYERS = 5, 4
"""Rows and columns of the largest kernel; convolutions, and dense layers, of the deepest network."""

DROPOUT = 0.5
"""The share of units that dropout drops in training."""

_PLACES = 64


class Attribute(NamedTuple):
    """What an architecture, or its training, has one of several values of.

    Attributes:
        name: of the attribute.
        values: in the order of their codes.
        architecture: whether it is a part of the network; else of its training.
    """

    name: str
    values: tuple[str, ...]
    architecture: bool


ATTRIBUTES = (
    Attribute("activation", ("relu", "elu", "prelu", "tanh"), True),
    Attribute("dropout", ("no", "yes"), False),
    Attribute("pooling", ("stride", "max"), True),
    Attribute("kernel", ("3", "5"), True),
    Attribute("convolutions", ("2", "3", "4"), True),
    Attribute("dense", ("2", "3", "4"), True),
    Attribute("optimizer", ("sgd", "adam", "rmsprop"), False),
    Attribute("batch", ("64", "128", "256"), False),
    Attribute("data", ("all", "half 0", "half 1", "quarter 0", "quarter 1", "quarter 2", "quarter 3"), False),
)
"""The attributes of MNIST-NET, whose values these are. Oh et al. vary the number of networks behind an answer too."""


CodeVector = Int[jax.Array, "attribute"] | Int[np.ndarray, "attribute"]
"""A network's codes, in the order of `ATTRIBUTES`."""


class Codes(NamedTuple):
    """A network's value of each attribute, as a place among its values."""

    activation: Any
    dropout: Any
    pooling: Any
    kernel: Any
    convolutions: Any
    dense: Any
    optimizer: Any
    batch: Any
    data: Any


def draw_codes(nets: int, *, seed: int = 0) -> Int[np.ndarray, "net attribute"]:
    """Values drawn independently and uniformly; those of a net depend on the seed and its number alone."""
    sizes = [len(attribute.values) for attribute in ATTRIBUTES]
    return np.stack([np.random.default_rng([seed, net]).integers(sizes) for net in range(nets)]).astype(np.int32)


class Weights(NamedTuple):
    """What a network of the grid learns; parts that its architecture lacks stay as they began.

    Attributes:
        first: Float["row column channel filter"], the kernel of the first convolution.
        kernels: Float["layer row column filter filter"], of the others.
        shifts: Float["layer filter"], the biases of all convolutions.
        flat: Float["feature unit"], of the first dense layer.
        hidden: Float["layer unit unit"], of the other hidden ones.
        biases: Float["layer unit"], of all hidden dense layers.
        last: Float["unit cls"].
        bias: Float["cls"].
        slopes: Float["layer"], of PReLU below 0, of all layers that have an activation.
    """

    first: Any
    kernels: Any
    shifts: Any
    flat: Any
    hidden: Any
    biases: Any
    last: Any
    bias: Any
    slopes: Any


@dataclass(frozen=True, kw_only=True)
class GridNetwork:
    """The networks of a grid, for records of one shape.

    Attributes:
        shape: height, width and channels of a record.
        classes: how many logits.
        filters: of every convolution.
        width: units of every hidden dense layer.

    Raises:
        InputError: records that are no images, or are smaller than 4x4.
    """

    shape: tuple[int, ...]
    classes: int
    filters: int = 8
    width: int = 32

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape[:2]) < 4:
            raise InputError(
                f"the networks of the grid take images of 4x4 or more and a record has shape {self.shape}: give images, as digits."
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns after the first convolution."""
        return self.shape[0] // 2, self.shape[1] // 2

    def init(self, key: PRNGKeyArray, codes: CodeVector) -> Weights:
        """Initial weights: normal with variance 2 / fan-in (He et al. 2015), where the fan-in counts what is not masked."""
        keys = jax.random.split(key, 5)
        side = 3 + 2 * jnp.asarray(Codes(*codes).kernel, jnp.float32)
        channels, filters, width = self.shape[2], self.filters, self.width
        inputs = math.prod(self.grid) * filters

        def normal(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: Any) -> jax.Array:
            return jax.random.normal(key, shape) * jnp.sqrt(2 / fan_in)

        return Weights(
            first=normal(keys[0], (SIDE, SIDE, channels, filters), side**2 * channels),
            kernels=normal(keys[1], (LAYERS - 1, SIDE, SIDE, filters, filters), side**2 * filters),
            shifts=jnp.zeros((LAYERS, filters)),
            flat=normal(keys[2], (inputs, width), inputs),
            hidden=normal(keys[3], (LAYERS - 2, width, width), width),
            biases=jnp.zeros((LAYERS - 1, width)),
            last=normal(keys[4], (width, self.classes), 2 * width),
            bias=jnp.zeros(self.classes),
            slopes=jnp.full(2 * LAYERS - 1, 0.25),
        )

    def patches(self, x: Float[jax.Array, "record height width channel"]) -> Float[jax.Array, "record place feature"]:
        """What the first convolution sees at each place: no weight enters, so it is made once for all networks and steps."""
        rows, columns = self.grid
        places = jnp.concatenate(windows(x, (SIDE, SIDE), (1, 1), "SAME"), axis=-1)[:, : 2 * rows, : 2 * columns]
        return places.reshape(len(x), 4 * rows * columns, SIDE * SIDE * self.shape[2])

    def logits_of(
        self,
        weights: Weights,
        codes: Int[jax.Array, "net attribute"],
        nets: Int[jax.Array, "some"],
        x: Float[jax.Array, "*record height width channel"],
    ) -> Float[jax.Array, "some record cls"]:
        """What some of many networks answer to records.

        Args:
            weights: of all of them, each leaf leading with the axis ``net``.
            codes: of all of them.
            nets: which of them, a number twice where it is to answer twice.
            x: records; those of several axes follow one another.
        """
        patches = self.patches(x.reshape(-1, *self.shape))
        own = jax.tree.map(lambda leaf: leaf[nets], weights)
        return jax.vmap(lambda w, c: self.logits(w, c, patches))(own, codes[nets])

    def logits(
        self,
        weights: Weights,
        codes: CodeVector,
        patches: Float[jax.Array, "record place feature"],
        key: PRNGKeyArray | None = None,
    ) -> Float[jax.Array, "record cls"]:
        """What one network answers.

        Args:
            weights: of `init`, or learnt.
            codes: which architecture it is.
            patches: of the records, by `patches`.
            key: of dropout; None for a network in use, which drops nothing.
        """
        code = Codes(*codes)
        x = self._first(weights, code, patches)
        for layer in range(LAYERS - 1):
            kernel = weights.kernels[layer] * _mask(code, weights.kernels.dtype)
            y = _shifted(_convolve(x, kernel), weights.shifts[layer + 1])
            y = _activate(y, code, weights.slopes[layer + 1])
            x = y if layer == 0 else jnp.where(code.convolutions >= layer, y, x)
        return self._dense(weights, code, x.reshape(len(x), -1), key)

    def _first(self, weights: Weights, code: Codes, patches: jax.Array) -> jax.Array:
        (rows, columns), filters = self.grid, self.filters
        kernel = (weights.first * _mask(code, weights.first.dtype)).reshape(-1, filters)
        x = (patches @ kernel).reshape(len(patches), rows, 2, columns, 2, filters)
        x = jnp.where(code.pooling == 1, x.max(axis=(2, 4)), x[:, :, 0, :, 0])
        return _activate(_shifted(x, weights.shifts[0]), code, weights.slopes[0])

    def _dense(self, weights: Weights, code: Codes, x: jax.Array, key: PRNGKeyArray | None) -> jax.Array:
        drop = None if key is None else jax.random.uniform(key, (LAYERS - 1, len(x), self.width), x.dtype)
        rate = DROPOUT * jnp.asarray(code.dropout, x.dtype)
        for layer in range(LAYERS - 1):
            matrix = weights.flat if layer == 0 else weights.hidden[layer - 1]
            y = _activate(_shifted(x @ matrix, weights.biases[layer]), code, weights.slopes[LAYERS + layer])
            if drop is not None:
                y = jnp.where(drop[layer] >= rate, y / (1 - rate), 0)
            x = y if layer == 0 else jnp.where(code.dense >= layer, y, x)
        return _shifted(x @ weights.last, weights.bias)

    def answer(self, weights: Weights, codes: CodeVector, x: jax.Array) -> Float[jax.Array, "record cls"]:
        """What one network answers to records ["record height width channel"], of -1 to 1."""
        return self.logits(weights, codes, self.patches(x))


@cache
def network_model(network: GridNetwork, codes: tuple[int, ...]) -> Model:
    """One architecture of the grid as a `jaxattack.types.Model`. The same arguments give the same object."""
    own = np.asarray(codes, np.int32)

    def forward(variables: Variables, x: jax.Array, key: PRNGKeyArray) -> tuple[jax.Array, Any]:
        return network.logits(variables.params, own, network.patches(x), key), variables.rest

    return Model(
        lambda key: Variables(network.init(key, own), {}),
        lambda variables, x: network.answer(variables.params, own, x),
        forward,
    )


def _mask(code: Codes, dtype: Any) -> jax.Array:
    """Which places of a kernel count, ["row column 1 1"]."""
    middle = np.zeros((SIDE, SIDE, 1, 1), bool)
    middle[1:-1, 1:-1] = True
    return (jnp.asarray(middle) | (jnp.asarray(code.kernel) == 1)).astype(dtype)


def _shifted(x: jax.Array, bias: jax.Array) -> jax.Array:
    return x + bias.reshape((1,) * (x.ndim - 1) + bias.shape)


def _activate(x: jax.Array, code: Codes, slope: jax.Array) -> jax.Array:
    which = jnp.broadcast_to(jnp.asarray(code.activation), x.shape)
    return jax.lax.select_n(which, jax.nn.relu(x), jax.nn.elu(x), jnp.where(x > 0, x, slope * x), jnp.tanh(x))


@cache
def _shifts(rows: int, columns: int) -> Float[np.ndarray, "tap place place"]:
    """Which place a kernel's tap reads for which place of its output."""
    places = np.arange(rows * columns).reshape(rows, columns)
    padded = np.pad(places, SIDE // 2, constant_values=-1)
    read = [padded[i : i + rows, j : j + columns].ravel() for i in range(SIDE) for j in range(SIDE)]
    return np.stack([np.arange(rows * columns)[:, None] == each for each in read]).astype(np.float32)


def _convolve(
    x: Float[jax.Array, "record row column channel"], kernel: Float[jax.Array, "side side channel out"]
) -> jax.Array:
    """A convolution with zeros around, as the module says."""
    records, rows, columns, channels = x.shape
    if rows * columns > _PLACES:
        return conv(x, kernel, (1, 1), "SAME", form="patches")
    taps = kernel.reshape(SIDE * SIDE, channels, -1)
    matrix = jnp.einsum("kpq,kco->pcqo", _shifts(rows, columns).astype(kernel.dtype), taps)
    product = x.reshape(records, -1) @ matrix.reshape(rows * columns * channels, -1)
    return product.reshape(records, rows, columns, -1)

"""The layers of a network that are known so far, as exact affine maps cell by cell.

A network of linear layers and ReLU cuts its inputs into cells, one for every pattern of which neurons are on (Carlini,
Jagielski, Mironov 2020, "Cryptanalytic extraction of neural network models", section 3). Within a cell every
pre-activation is affine: with D_k the diagonal of what is on in layer k,

    z_1 = W_1 x + b_1,    z_(k+1) = W_(k+1) D_k z_k + b_(k+1).

The neurons of all layers are counted through, layer by layer ("neuron"). Which sign the rows of the last known layer
have does not matter here: its zero sets, where deeper neurons bend, are the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.intervals import FLAT


class Layer(NamedTuple):
    """One linear layer."""

    weight: Float[np.ndarray, "after before"]
    bias: Float[np.ndarray, "after"]


Layers = tuple[Layer, ...]


class Affine(NamedTuple):
    """Every neuron's pre-activation within a cell: ``gradient @ x + offset``."""

    gradient: Float[np.ndarray, "cell neuron feature"]
    offset: Float[np.ndarray, "cell neuron"]

    def heights(self, x: Float[np.ndarray, "cell feature"]) -> Float[np.ndarray, "cell neuron"]:
        """The pre-activations at one point of each cell."""
        return np.einsum("cnf,cf->cn", self.gradient, x) + self.offset

    def distances(self, x: Float[np.ndarray, "cell feature"]) -> Float[np.ndarray, "cell neuron"]:
        """How far each zero set is from one point of each cell, were it flat."""
        return np.abs(self.heights(x)) / np.maximum(np.linalg.norm(self.gradient, axis=2), FLAT)


def heights(layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point neuron"]:
    """The pre-activations of all neurons of one layer or more."""
    all_, activation = [], x
    for layer in layers:
        all_.append(activation @ layer.weight.T + layer.bias)
        activation = np.maximum(all_[-1], 0.0)
    return np.concatenate(all_, axis=1)


def affine(layers: Layers, on: Bool[np.ndarray, "cell neuron"]) -> Affine:
    """The affine maps of the cells in which the neurons ``on`` are on; those of the last layer have no influence."""
    cells, features, first = len(on), layers[0].weight.shape[1], 0
    gradient, offset = np.empty((cells, on.shape[1], features)), np.empty(on.shape)
    below, shift = np.broadcast_to(np.eye(features), (cells, features, features)), np.zeros((cells, features))
    for layer in layers:
        here = slice(first, first + len(layer.bias))
        gradient[:, here] = layer.weight @ below
        offset[:, here] = shift @ layer.weight.T + layer.bias
        below = gradient[:, here] * on[:, here, None]
        shift = offset[:, here] * on[:, here]
        first = here.stop
    return Affine(gradient, offset)


def affine_at(layers: Layers, x: Float[np.ndarray, "point feature"]) -> Affine:
    """The affine maps of the cells that points lie in."""
    return affine(layers, heights(layers, x) > 0)


def last(layers: Layers) -> slice:
    """The neurons of the last known layer."""
    width = sum(len(layer.bias) for layer in layers)
    return slice(width - len(layers[-1].bias), width)


def last_heights(layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point neuron"]:
    """The pre-activations of the last known layer."""
    return heights(layers, x)[:, last(layers)]


def flip(layer: Layer, sign: Float[np.ndarray, "neuron"]) -> Layer:
    """The layer with the rows of the neurons whose ``sign`` is -1 negated."""
    return Layer(layer.weight * sign[:, None], layer.bias * sign)

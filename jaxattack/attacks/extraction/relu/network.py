"""A network of linear layers with ReLU between them: its function, its Model, and its distance from another.

    f(x) = W_L relu(... relu(W_1 x + b_1) ...) + b_L

Such a network is determined by its function up to the order of the neurons of a hidden layer and the positive scale
of each (what one layer multiplies the next divides); seen through a softmax, also up to one affine function added to
all outputs.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped
from scipy.optimize import linear_sum_assignment

from jaxattack.types import Model, Variables


class ReluNetwork(NamedTuple):
    """The layers of a network, the first one first.

    Attributes:
        weights: Float["output input"] of each layer.
        biases: Float["output"] of each layer.
    """

    weights: tuple[Float[np.ndarray, "output input"], ...]
    biases: tuple[Float[np.ndarray, "output"], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Features, the neurons of each hidden layer, outputs."""
        return (self.weights[0].shape[1], *(len(bias) for bias in self.biases))

    @property
    def size(self) -> int:
        """How many parameters it has."""
        return sum(part.size for part in self.parameters.values())

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters by name, as `relu_model` takes them."""
        pairs = [(f"weight{layer}", weight) for layer, weight in enumerate(self.weights)]
        return dict(pairs + [(f"bias{layer}", bias) for layer, bias in enumerate(self.biases)])


def logits(network: ReluNetwork, x: Shaped[np.ndarray, "query *feature"]) -> Float[np.ndarray, "query output"]:
    """The network's outputs, in float64."""
    signal = np.asarray(x, np.float64).reshape(len(x), network.sizes[0])
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        signal = np.maximum(signal @ weight.T + bias, 0)
    return signal @ network.weights[-1].T + network.biases[-1]


@cache
def relu_model(sizes: tuple[int, ...]) -> Model:
    """The Model whose parameters are `ReluNetwork.parameters`. The same sizes give the same object.

    Args:
        sizes: features, the neurons of each hidden layer, outputs.
    """
    layers = len(sizes) - 1

    def init(key: jax.Array) -> Variables:
        keys = jax.random.split(key, layers)
        weights = {
            f"weight{layer}": jax.random.normal(keys[layer], (sizes[layer + 1], sizes[layer]))
            * jnp.sqrt(2 / sizes[layer])
            for layer in range(layers)
        }
        return Variables({**weights, **{f"bias{layer}": jnp.zeros(sizes[layer + 1]) for layer in range(layers)}}, {})

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        signal = x.reshape(len(x), -1)
        for layer in range(layers):
            signal = jax.nn.relu(signal) if layer else signal
            signal = signal @ variables.params[f"weight{layer}"].T + variables.params[f"bias{layer}"][None]
        return signal

    def forward(variables: Variables, x: jax.Array, _key: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        return apply(variables, x), variables.rest

    return Model(init, apply, forward)


class Alignment(NamedTuple):
    """A network brought to another's order and scale of neurons.

    Attributes:
        network: the aligned one.
        error: the largest difference of any parameter; infinite where the sizes differ.
    """

    network: ReluNetwork
    error: float


def align(stolen: ReluNetwork, truth: ReluNetwork, *, gauge: bool = False) -> Alignment:
    """Permute and scale the hidden neurons of one network until it is closest to another.

    Layer by layer the neurons are paired so that the cosines between their weights and biases together are largest,
    and each is scaled by the positive factor that brings it closest.

    Args:
        stolen: the network to be aligned.
        truth: the network that it is compared with.
        gauge: compare the last layers up to one affine function added to all outputs, which a softmax hides: both are
            given zero mean over the outputs.
    """
    if stolen.sizes != truth.sizes:
        return Alignment(stolen, float("inf"))
    weights, biases = list(stolen.weights), list(stolen.biases)
    for layer in range(len(weights) - 1):
        mine = np.column_stack([weights[layer], biases[layer]])
        target = np.column_stack([truth.weights[layer], truth.biases[layer]])
        order, scale = _pair(mine, target)
        weights[layer], biases[layer] = weights[layer][order] * scale[:, None], biases[layer][order] * scale
        weights[layer + 1] = weights[layer + 1][:, order] / scale
    aligned = ReluNetwork(tuple(weights), tuple(biases))
    if gauge:
        aligned, truth = _with_zero_mean(aligned), _with_zero_mean(truth)
    pairs = (pair for parts in zip(aligned, truth, strict=True) for pair in zip(*parts, strict=True))
    return Alignment(aligned, max(float(np.abs(mine - target).max()) for mine, target in pairs))


def _with_zero_mean(network: ReluNetwork) -> ReluNetwork:
    """Over the outputs."""
    return ReluNetwork(*((*part[:-1], part[-1] - part[-1].mean(axis=0, keepdims=True)) for part in network))


def _pair(mine: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which row of ``mine`` stands for each row of ``target``, and times what."""
    lengths = [np.maximum(np.linalg.norm(rows, axis=1), np.finfo(float).tiny) for rows in (mine, target)]
    cosine = (target / lengths[1][:, None]) @ (mine / lengths[0][:, None]).T
    _, order = linear_sum_assignment(-cosine)
    scale = (mine[order] * target).sum(axis=1) / lengths[0][order] ** 2
    return order, np.where(scale > 0, scale, lengths[1] / lengths[0][order])

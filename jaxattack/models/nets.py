"""The networks the literature attacks, in Flax NNX, and how a short text names one.

    softmax               multinomial logistic regression
    mlp:256-128           a multilayer perceptron, its hidden widths (Shokri et al. 2017 use mlp:128 with tanh)
    homogeneous:200       a multilayer perceptron of two classes without biases after its first layer
    cnn:16-32             3x3 convolutions each followed by 2x2 max pooling, then a linear layer
    lenet:12              three 5x5 convolutions of so many filters, strides 2, 2 and 1, and sigmoids, which gradients can
                          be differentiated through once more (Zhu et al. 2019), then a linear layer
    resnet:20             the CIFAR ResNet of He et al. 2016, 6n+2 layers, projection shortcuts
    wrn:28-2              WideResNet, depth 6n+4 and widening factor (Zagoruyko and Komodakis 2016)
    resnet9:32            nine layers at once, twice, four and eight times so many filters: learns CIFAR-10 in few passes

A network maps float inputs ["record *feature"] to logits ["record cls"]. In bfloat16 (`jaxattack.models.in_precision`) batch
statistics and the sums of the last layer stay in float32.
"""

from __future__ import annotations

import math
import re
from functools import cache
from itertools import pairwise
from typing import Literal

import jax
from flax import nnx

from jaxattack.models.adapt import from_nnx
from jaxattack.models.conv import conv, in_blocks, max_pool
from jaxattack.models.homogeneous import homogeneous
from jaxattack.models.layers import conv3, last
from jaxattack.models.residual import ResNet, ResNet9
from jaxattack.types import InputError, Model, within_memory

Activation = Literal["relu", "tanh", "sigmoid", "gelu"]
ACTIVATIONS = {"relu": nnx.relu, "tanh": nnx.tanh, "sigmoid": nnx.sigmoid, "gelu": nnx.gelu}


class MLP(nnx.Module):
    """Dense layers with an activation and dropout between them; none hidden makes softmax regression."""

    def __init__(self, sizes: tuple[int, ...], activation: Activation, dropout: float, rngs: nnx.Rngs):
        pairs = list(pairwise(sizes))
        hidden = [nnx.Linear(a, b, rngs=rngs) for a, b in pairs[:-1]]
        self.layers = nnx.List([*hidden, last(*pairs[-1], rngs)])
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None
        self.activation = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(len(x), -1)
        for layer in self.layers[:-1]:
            x = ACTIVATIONS[self.activation](layer(x))
            x = self.dropout(x) if self.dropout else x
        return self.layers[-1](x)


class CNN(nnx.Module):
    """3x3 convolutions with 2x2 max pooling, then a linear layer."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        classes: int,
        filters: tuple[int, ...],
        activation: Activation,
        dropout: float,
        rngs: nnx.Rngs,
    ):
        channels = (shape[-1], *filters)
        pairs = pairwise(channels)
        self.convs = nnx.List([conv3(a, b, rngs, bias=True) for a, b in pairs])
        pixels = (shape[0] >> len(filters)) * (shape[1] >> len(filters))
        self.head = MLP((pixels * filters[-1], classes), activation, 0.0, rngs)
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None
        self.activation = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        pixels = math.prod(x.shape[1:3])
        largest = max(pixels * layer.out_features >> 2 * depth for depth, layer in enumerate(self.convs))
        x = in_blocks(self._features, x, largest)
        return self.head(self.dropout(x) if self.dropout else x)

    def _features(self, x: jax.Array) -> jax.Array:
        for layer in self.convs:
            x = max_pool(ACTIVATIONS[self.activation](layer(x)))
        return x


class LeNet(nnx.Module):
    """Three 5x5 convolutions with strides 2, 2 and 1, sigmoids between them, then a linear layer."""

    def __init__(self, shape: tuple[int, int, int], classes: int, filters: int, rngs: nnx.Rngs):
        channels = (shape[-1], filters, filters, filters)
        self.convs = nnx.List(
            [
                nnx.Conv(a, b, (5, 5), stride, padding=((2, 2), (2, 2)), conv_general_dilated=conv, rngs=rngs)
                for (a, b), stride in zip(pairwise(channels), (2, 2, 1), strict=True)
            ]
        )
        pixels = math.prod(-(-side // 4) for side in shape[:2])
        self.head = last(pixels * filters, classes, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.convs:
            x = nnx.sigmoid(layer(x))
        return self.head(x.reshape(len(x), -1))


ARCHITECTURES = {
    "softmax": "softmax regression",
    "mlp:256-128": "multilayer perceptron, hidden widths",
    "homogeneous:200": "two classes, ReLUs without later biases, hidden widths: its weights show its records",
    "cnn:16-32": "3x3 convolutions with pooling, filters",
    "lenet:12": "5x5 convolutions with sigmoids, filters",
    "resnet:20": "CIFAR ResNet, depth 6n+2",
    "wrn:28-2": "WideResNet, depth 6n+4 and widening factor",
    "resnet9:32": "nine-layer residual network made for CIFAR-10, filters of the first layer",
}


def build(
    architecture: str,
    shape: tuple[int, ...],
    classes: int,
    *,
    activation: Activation = "relu",
    dropout: float = 0.0,
) -> Model:
    """The Model that a text names. The same arguments give the same object, so nothing is compiled twice.

    Args:
        architecture: a name and its sizes, as in the module's table.
        shape: the shape of one record.
        classes: the number of classes.
        activation: between the layers of ``mlp`` and ``cnn``.
        dropout: the share of units dropped in training, 0 to below 1.

    Raises:
        InputError: an unknown name, sizes that do not fit it, records that are not images where it needs them, or more
            weights than memory holds.
    """
    check(architecture, dropout)
    if activation not in ACTIVATIONS:
        raise InputError(f"activation is {activation!r}: give one of {', '.join(ACTIVATIONS)}.")
    model = _build(architecture, tuple(shape), classes, activation, float(dropout))
    within_memory(_weights(model), model=architecture)
    return model


@cache
def _weights(model: Model) -> int:
    """How many numbers its variables hold; none of them is made."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0))))


def check(architecture: str, dropout: float) -> None:
    """Refuse what names no network of any shape.

    Raises:
        InputError: an unknown name, sizes that do not fit it, or a share out of range.
    """
    _parse(architecture)
    if not 0 <= dropout < 1:
        raise InputError(f"dropout is {dropout}: give a share from 0 to below 1.")


@cache
def _build(architecture: str, shape: tuple[int, ...], classes: int, activation: Activation, dropout: float) -> Model:
    kind, sizes = _parse(architecture)
    features = math.prod(shape)
    if kind in ("softmax", "mlp"):
        return from_nnx(lambda rngs: MLP((features, *sizes, classes), activation, dropout, rngs))
    if kind == "homogeneous":
        if classes != 2:
            raise InputError(
                f"model {architecture!r} is of two classes and the records have {classes}: choose mlp:200."
            )
        return homogeneous((features, *sizes))
    if len(shape) != 3:
        raise InputError(
            f"model {architecture!r} needs images and a record has shape {shape}: choose softmax or mlp:256."
        )
    if kind == "cnn":
        if min(shape[:2]) >> len(sizes) < 1:
            raise InputError(
                f"model {architecture!r} halves {shape[0]}x{shape[1]} images {len(sizes)} times: use fewer."
            )
        return from_nnx(lambda rngs: CNN(shape, classes, sizes, activation, dropout, rngs))
    if kind == "resnet9":
        if min(shape[:2]) < 8:
            raise InputError(
                f"model {architecture!r} halves {shape[0]}x{shape[1]} images 3 times: give images of 8x8 or more."
            )
        return from_nnx(lambda rngs: ResNet9(shape[-1], classes, sizes[0], rngs))
    if kind == "lenet":
        return from_nnx(lambda rngs: LeNet(shape, classes, sizes[0], rngs))
    extra, widen, pre = (4, sizes[1], True) if kind == "wrn" else (2, 1, False)
    blocks = (sizes[0] - extra) // 6
    return from_nnx(lambda rngs: ResNet(shape[-1], classes, blocks, widen, pre, dropout, rngs))


def _parse(architecture: str) -> tuple[str, tuple[int, ...]]:
    kind, _, text = architecture.partition(":")
    refusal = InputError(
        f"model is {architecture!r}: give one of {', '.join(ARCHITECTURES)} or package.module:factory."
    )
    if not re.fullmatch(r"(\d+(-\d+)*)?", text):
        raise refusal
    sizes = tuple(int(size) for size in text.split("-") if size)
    valid = {
        "softmax": not sizes,
        "mlp": len(sizes) >= 1,
        "homogeneous": len(sizes) >= 1,
        "cnn": len(sizes) >= 1,
        "lenet": len(sizes) == 1,
        "resnet9": len(sizes) == 1,
        "resnet": len(sizes) == 1 and sizes[0] >= 8 and sizes[0] % 6 == 2,
        "wrn": len(sizes) == 2 and sizes[0] >= 10 and sizes[0] % 6 == 4,
    }
    if not valid.get(kind, False) or 0 in sizes:
        raise refusal
    return kind, sizes

"""The networks the literature attacks, in Flax NNX, and how a short text names one.

    softmax               multinomial logistic regression
    mlp:256-128           a multilayer perceptron, its hidden widths (Shokri et al. 2017 use mlp:128 with tanh)
    cnn:16-32             3x3 convolutions each followed by 2x2 max pooling, then a linear layer
    lenet:12              three 5x5 convolutions of so many filters, strides 2, 2 and 1, and sigmoids, which gradients can
                          be differentiated through once more (Zhu et al. 2019), then a linear layer
    resnet:20             the CIFAR ResNet of He et al. 2016, 6n+2 layers, projection shortcuts
    wrn:28-2              WideResNet, depth 6n+4 and widening factor (Zagoruyko and Komodakis 2016)

A network maps float inputs ["record *feature"] to logits ["record cls"].
"""

from __future__ import annotations

import math
import re
from functools import cache
from itertools import pairwise
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jaxattack.models.adapt import from_nnx
from jaxattack.models.conv import conv, max_pool
from jaxattack.types import InputError, Model

Activation = Literal["relu", "tanh", "sigmoid", "gelu"]
ACTIVATIONS = {"relu": nnx.relu, "tanh": nnx.tanh, "sigmoid": nnx.sigmoid, "gelu": nnx.gelu}


class MLP(nnx.Module):
    """Dense layers with an activation and dropout between them; none hidden makes softmax regression."""

    def __init__(self, sizes: tuple[int, ...], activation: Activation, dropout: float, rngs: nnx.Rngs):
        pairs = pairwise(sizes)
        self.layers = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairs])
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None
        self.activation = activation

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(len(x), -1)
        for layer in self.layers[:-1]:
            x = ACTIVATIONS[self.activation](layer(x))
            x = self.dropout(x) if self.dropout else x
        return self.layers[-1](x)


def conv3(inputs: int, outputs: int, rngs: nnx.Rngs, *, size: int = 3, stride: int = 1, bias: bool = False) -> nnx.Conv:
    """A convolution in the form that suits the backend (`jaxattack.models.conv`)."""
    return nnx.Conv(
        inputs, outputs, (size, size), stride, use_bias=bias, conv_general_dilated=conv, kernel_init=_he, rngs=rngs
    )


_he = nnx.initializers.he_normal()


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
        for layer in self.convs:
            x = max_pool(ACTIVATIONS[self.activation](layer(x)))
        return self.head(self.dropout(x) if self.dropout else x)


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
        self.head = nnx.Linear(pixels * filters, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.convs:
            x = nnx.sigmoid(layer(x))
        return self.head(x.reshape(len(x), -1))


class Block(nnx.Module):
    """Two 3x3 convolutions and a shortcut; ``pre`` puts batch norm before each convolution, as WideResNet does."""

    def __init__(self, inputs: int, outputs: int, stride: int, pre: bool, dropout: float, rngs: nnx.Rngs):
        self.pre = pre
        self.conv1 = conv3(inputs, outputs, rngs, stride=stride)
        self.conv2 = conv3(outputs, outputs, rngs)
        self.norm1 = nnx.BatchNorm(inputs if pre else outputs, momentum=0.9, rngs=rngs)
        self.norm2 = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)
        changed = stride != 1 or inputs != outputs
        self.shortcut = conv3(inputs, outputs, rngs, size=1, stride=stride) if changed else None
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None

    def __call__(self, x: jax.Array) -> jax.Array:
        drop = self.dropout or (lambda x: x)
        if self.pre:
            x0 = x
            x = nnx.relu(self.norm1(x))
            around = self.shortcut(x) if self.shortcut else x0
            return around + self.conv2(drop(nnx.relu(self.norm2(self.conv1(x)))))
        around = self.shortcut(x) if self.shortcut else x
        return nnx.relu(around + self.norm2(self.conv2(drop(nnx.relu(self.norm1(self.conv1(x)))))))


class ResNet(nnx.Module):
    """Three stages of blocks at 16, 32 and 64 filters times ``widen``, global average pooling, a linear layer."""

    def __init__(self, channels: int, classes: int, blocks: int, widen: int, pre: bool, dropout: float, rngs: nnx.Rngs):
        widths = (16, *(16 * 2**stage * widen for stage in range(3)))
        self.stem = conv3(channels, 16, rngs)
        self.norm = nnx.BatchNorm(widths[-1] if pre else 16, momentum=0.9, rngs=rngs)
        self.pre = pre
        self.blocks = nnx.List(
            [
                Block(
                    widths[stage] if first else widths[stage + 1],
                    widths[stage + 1],
                    2 if first and stage else 1,
                    pre,
                    dropout,
                    rngs,
                )
                for stage in range(3)
                for first in [True] + [False] * (blocks - 1)
            ]
        )
        self.head = nnx.Linear(widths[-1], classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.stem(x)
        x = x if self.pre else nnx.relu(self.norm(x))
        for block in self.blocks:
            x = block(x)
        x = nnx.relu(self.norm(x)) if self.pre else x
        return self.head(jnp.mean(x, axis=(1, 2)))


ARCHITECTURES = {
    "softmax": "softmax regression",
    "mlp:256-128": "multilayer perceptron, hidden widths",
    "cnn:16-32": "3x3 convolutions with pooling, filters",
    "lenet:12": "5x5 convolutions with sigmoids, filters",
    "resnet:20": "CIFAR ResNet, depth 6n+2",
    "wrn:28-2": "WideResNet, depth 6n+4 and widening factor",
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
        InputError: an unknown name, sizes that do not fit it, or records that are not images where it needs them.
    """
    if not 0 <= dropout < 1:
        raise InputError(f"dropout is {dropout}: give a share from 0 to below 1.")
    if activation not in ACTIVATIONS:
        raise InputError(f"activation is {activation!r}: give one of {', '.join(ACTIVATIONS)}.")
    return _build(architecture, tuple(shape), classes, activation, float(dropout))


@cache
def _build(architecture: str, shape: tuple[int, ...], classes: int, activation: Activation, dropout: float) -> Model:
    kind, sizes = _parse(architecture)
    features = math.prod(shape)
    if kind in ("softmax", "mlp"):
        return from_nnx(lambda rngs: MLP((features, *sizes, classes), activation, dropout, rngs))
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
    if kind == "lenet":
        return from_nnx(lambda rngs: LeNet(shape, classes, sizes[0], rngs))
    extra, widen, pre = (4, sizes[1], True) if kind == "wrn" else (2, 1, False)
    blocks = (sizes[0] - extra) // 6
    return from_nnx(lambda rngs: ResNet(shape[-1], classes, blocks, widen, pre, dropout, rngs))


def _parse(architecture: str) -> tuple[str, tuple[int, ...]]:
    kind, _, text = architecture.partition(":")
    wanted = InputError(f"model is {architecture!r}: give one of {', '.join(ARCHITECTURES)} or package.module:factory.")
    if not re.fullmatch(r"(\d+(-\d+)*)?", text):
        raise wanted
    sizes = tuple(int(size) for size in text.split("-") if size)
    whole = {
        "softmax": not sizes,
        "mlp": len(sizes) >= 1,
        "cnn": len(sizes) >= 1,
        "lenet": len(sizes) == 1,
        "resnet": len(sizes) == 1 and sizes[0] >= 8 and sizes[0] % 6 == 2,
        "wrn": len(sizes) == 2 and sizes[0] >= 10 and sizes[0] % 6 == 4,
    }
    if not whole.get(kind, False) or 0 in sizes:
        raise wanted
    return kind, sizes

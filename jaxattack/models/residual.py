"""Residual networks of 3x3 convolutions and batch norm, in Flax NNX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from jaxattack.models.conv import max_pool
from jaxattack.models.layers import batch_norm, conv3, last


class Block(nnx.Module):
    """Two 3x3 convolutions and a shortcut; ``pre`` puts batch norm before each convolution, as WideResNet does."""

    def __init__(self, inputs: int, outputs: int, stride: int, pre: bool, dropout: float, rngs: nnx.Rngs):
        self.pre = pre
        self.conv1 = conv3(inputs, outputs, rngs, stride=stride)
        self.conv2 = conv3(outputs, outputs, rngs)
        self.norm1 = batch_norm(inputs if pre else outputs, rngs)
        self.norm2 = batch_norm(outputs, rngs)
        changed = stride != 1 or inputs != outputs
        self.shortcut = conv3(inputs, outputs, rngs, size=1, stride=stride) if changed else None
        self.dropout = nnx.Dropout(dropout, rngs=rngs) if dropout else None

    def __call__(self, x: jax.Array) -> jax.Array:
        drop = self.dropout or (lambda x: x)
        if self.pre:
            x0 = x
            x = self.norm1(x, nnx.relu)
            around = self.shortcut(x) if self.shortcut else x0
            return around + self.conv2(drop(self.norm2(self.conv1(x), nnx.relu)))
        around = self.shortcut(x) if self.shortcut else x
        return nnx.relu(around + self.norm2(self.conv2(drop(self.norm1(self.conv1(x), nnx.relu)))))


class ResNet(nnx.Module):
    """Three stages of blocks at 16, 32 and 64 filters times ``widen``, global average pooling, a linear layer."""

    def __init__(self, channels: int, classes: int, blocks: int, widen: int, pre: bool, dropout: float, rngs: nnx.Rngs):
        widths = (16, *(16 * 2**stage * widen for stage in range(3)))
        self.stem = conv3(channels, 16, rngs)
        self.norm = batch_norm(widths[-1] if pre else 16, rngs)
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
        self.head = last(widths[-1], classes, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.stem(x)
        x = x if self.pre else self.norm(x, nnx.relu)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x, nnx.relu) if self.pre else x
        return self.head(jnp.mean(x, axis=(1, 2)))


class Layer(nnx.Module):
    """A 3x3 convolution, 2x2 max pooling where asked, batch norm, GELU."""

    def __init__(self, inputs: int, outputs: int, pool: bool, rngs: nnx.Rngs):
        self.conv = conv3(inputs, outputs, rngs)
        self.norm = batch_norm(outputs, rngs)
        self.pool = pool

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.conv(x)
        # Pooled first, so that the larger half of the memory traffic of normalising is saved.
        return self.norm(max_pool(x) if self.pool else x, nnx.gelu)


class Pair(nnx.Module):
    """Two such layers and the way around them."""

    def __init__(self, channels: int, rngs: nnx.Rngs):
        self.layers = nnx.List([Layer(channels, channels, False, rngs) for _ in range(2)])

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.layers[1](self.layers[0](x))


class ResNet9(nnx.Module):
    """The shape of Page's DAWNBench entry (2018): a stem, three pooled layers, a pair after the first and the last of them.

    Most of its arithmetic has many channels and few pixels, which accelerators do at full speed. The largest of the pixels
    left goes through a linear layer, and the logits are divided by 8 so that a high learning rate starts calmly.
    """

    def __init__(self, channels: int, classes: int, width: int, rngs: nnx.Rngs):
        one, two, four, eight = (width * 2**stage for stage in range(4))
        self.layers = nnx.List(
            [
                Layer(channels, one, False, rngs),
                Layer(one, two, True, rngs),
                Pair(two, rngs),
                Layer(two, four, True, rngs),
                Layer(four, eight, True, rngs),
                Pair(eight, rngs),
            ]
        )
        self.head = last(eight, classes, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = layer(x)
        return self.head(jnp.max(x, axis=(1, 2))) / 8

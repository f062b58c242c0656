"""The layers that the networks are made of, right in float32 and in bfloat16 (`jaxattack.models.in_precision`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from jaxattack.models.conv import conv

Activation = Callable[[jax.Array], jax.Array]
_he = nnx.initializers.he_normal()

NARROW = 32
"""Classes from which on the weight gradient that JAX derives is as fast. A step of 64-256-10 takes 118 us with that written out
and 143 without, of 446-128-30 252 and 255, of 600-128-100 no less (best of four runs on one core)."""


def identity(x: jax.Array) -> jax.Array:
    """No activation."""
    return x


def conv3(inputs: int, outputs: int, rngs: nnx.Rngs, *, size: int = 3, stride: int = 1, bias: bool = False) -> nnx.Conv:
    """A convolution in the form that suits the backend (`jaxattack.models.conv`)."""
    return nnx.Conv(
        inputs, outputs, (size, size), stride, use_bias=bias, conv_general_dilated=conv, kernel_init=_he, rngs=rngs
    )


def _wide_sums(x: jax.Array, kernel: jax.Array, dimensions: Any, **options: Any) -> jax.Array:
    """A product whose result is not rounded to bfloat16: signals are differences of logits."""
    wide = np.result_type(x.dtype, kernel.dtype, np.float32)
    return lax.dot_general(x, kernel, dimensions, preferred_element_type=wide, **options)


@jax.custom_vjp
def _narrow_product(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A product with a kernel of few columns, and a weight gradient that is fast on a CPU.

    JAX's gradient of the kernel is a product of two transposed matrices with as few columns, for which XLA's CPU backend
    has no fast path: of 256 by 10 weights it takes 53 us where this one takes 10 (two networks, batches of 64). Its
    transpose, rows by the records, has. The barriers keep XLA from turning it around again.
    """
    return _wide_sums(x, kernel, (((1,), (0,)), ((), ())))


def _narrow_forward(x, kernel):
    return _narrow_product(x, kernel), (x, kernel)


def _narrow_backward(saved, cotangent):
    x, kernel = saved
    turned = lax.optimization_barrier(cotangent.T)
    to_kernel = lax.optimization_barrier(turned @ x.astype(cotangent.dtype)).T
    return (cotangent @ kernel.T.astype(cotangent.dtype)).astype(x.dtype), to_kernel.astype(kernel.dtype)


_narrow_product.defvjp(_narrow_forward, _narrow_backward)


def _logits(x: jax.Array, kernel: jax.Array, dimensions: Any, **options: Any) -> jax.Array:
    """`_wide_sums`, with the weight gradient written out where that is faster: on a CPU, of a batch, for few classes."""
    narrow = kernel.shape[1] < min(kernel.shape[0], NARROW)
    if narrow and x.ndim == 2 and len(x) > 1 and not any(options.values()) and jax.default_backend() == "cpu":
        return _narrow_product(x, kernel)
    return _wide_sums(x, kernel, dimensions, **options)


def last(inputs: int, classes: int, rngs: nnx.Rngs) -> nnx.Linear:
    """The linear layer that gives logits, in float32 or wider."""
    return nnx.Linear(inputs, classes, dot_general=_logits, rngs=rngs)


class BatchNorm(nnx.BatchNorm):
    """Batch norm and the activation after it, in float32 or wider, answering in the input's type."""

    def __call__(self, x: jax.Array, activation: Activation = identity) -> jax.Array:
        parameters: Any = self.scale, self.bias
        scale, bias = (each[...] for each in parameters)
        if self.use_running_average:
            return _normalised(activation, self.epsilon, x, self.mean[...], self.var[...], scale, bias).astype(x.dtype)
        answer: Any = _by_batch(activation, self.epsilon, x, scale, bias)
        y, mean, var = answer
        self.mean[...] = self.momentum * self.mean[...] + (1 - self.momentum) * mean
        self.var[...] = self.momentum * self.var[...] + (1 - self.momentum) * var
        return y


def _normalised(activation: Activation, epsilon: float, x, mean, var, scale, bias) -> jax.Array:
    mean, var, scale, bias = (_beside(x, each) for each in (mean, var, scale, bias))
    x, mean, var, scale, bias = _in_widest(x, mean, var, scale, bias)
    return activation((x - mean) * (lax.rsqrt(var + epsilon) * scale) + bias)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _by_batch(activation: Activation, epsilon: float, x, scale, bias) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What batch norm answers in training, and the mean and variance of the batch.

    Memory traffic is what it costs. The gradient that JAX derives keeps several arrays of the input's size for the way
    back; this one keeps the input alone, and the only such array that it makes beside its answer is of the input's type.
    """
    wide, axes = _wide(x), tuple(range(x.ndim - 1))
    mean = jnp.mean(wide, axes)
    var = jnp.maximum(0.0, jnp.mean(wide * wide, axes) - mean * mean)
    return _normalised(activation, epsilon, x, mean, var, scale, bias).astype(x.dtype), mean, var


def _by_batch_forward(activation: Activation, epsilon: float, x, scale, bias):
    answer: Any = _by_batch(activation, epsilon, x, scale, bias)
    _, mean, var = answer
    return answer, (x, mean, var, scale, bias)


def _by_batch_backward(activation: Activation, epsilon: float, saved, cotangents):
    cotangent, *to_statistics = cotangents
    axes, count = tuple(range(cotangent.ndim - 1)), cotangent.size // cotangent.shape[-1]
    kinds = [each.dtype for each in saved]
    x, mean, var, scale, bias = _in_widest(saved[0], *(_beside(cotangent, each) for each in saved[1:]))
    to_mean, to_var = (_beside(cotangent, each) / count for each in to_statistics)
    inverse = lax.rsqrt(var + epsilon)
    normal = (x - mean) * inverse
    (back,) = jax.vjp(activation, normal * scale + bias)[1](_wide(cotangent))
    # Both sums and the answer need it, so it goes through memory: without the barrier in the wider type.
    back = _wide(lax.optimization_barrier(back.astype(kinds[0])))
    to_bias, to_scale = jnp.sum(back, axes), jnp.sum(back * normal, axes)
    centred = back - (_beside(x, to_bias) + normal * _beside(x, to_scale)) / count
    to_x = scale * inverse * centred + to_mean + 2 * to_var * (x - mean)
    return to_x.astype(kinds[0]), to_scale.astype(kinds[3]), to_bias.astype(kinds[4])


_by_batch.defvjp(_by_batch_forward, _by_batch_backward)


def _beside(x: jax.Array, channel: jax.Array) -> jax.Array:
    return channel.reshape((1,) * (x.ndim - 1) + channel.shape)


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(np.result_type(x.dtype, np.float32))


def _in_widest(*arrays: jax.Array) -> list[jax.Array]:
    """Each in the widest of their types, which is exact."""
    widest = np.result_type(*(each.dtype for each in arrays))
    return [each.astype(widest) for each in arrays]


def batch_norm(channels: int, rngs: nnx.Rngs) -> BatchNorm:
    """Batch norm over every axis but the last."""
    return BatchNorm(channels, momentum=0.9, rngs=rngs)

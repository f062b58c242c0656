"""The layers that the networks are made of, right in float32 and in bfloat16 (`jaxattack.models.in_precision`)."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxattack.models.conv import conv

Arrays = TypeVar("Arrays", bound=tuple)
_he = nnx.initializers.he_normal()


def conv3(inputs: int, outputs: int, rngs: nnx.Rngs, *, size: int = 3, stride: int = 1, bias: bool = False) -> nnx.Conv:
    """A convolution in the form that suits the backend (`jaxattack.models.conv`)."""
    return nnx.Conv(
        inputs, outputs, (size, size), stride, use_bias=bias, conv_general_dilated=conv, kernel_init=_he, rngs=rngs
    )


def _wide_sums(x: jax.Array, kernel: jax.Array, dimensions: Any, **options: Any) -> jax.Array:
    """A product whose result is not rounded to bfloat16: signals are differences of logits."""
    wide = jnp.promote_types(jnp.result_type(x, kernel), jnp.float32)
    return lax.dot_general(x, kernel, dimensions, preferred_element_type=wide, **options)


def last(inputs: int, classes: int, rngs: nnx.Rngs) -> nnx.Linear:
    """The linear layer that gives logits, in float32 or wider."""
    return nnx.Linear(inputs, classes, dot_general=_wide_sums, rngs=rngs)


def _as_they_are(arrays: Arrays, /, *, dtype: Any = None, inexact: bool = True) -> Arrays:  # noqa: ARG001
    return arrays


def batch_norm(channels: int, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch norm that computes in float32 or wider and answers in the type of its input and scale."""
    return nnx.BatchNorm(channels, momentum=0.9, promote_dtype=_as_they_are, rngs=rngs)

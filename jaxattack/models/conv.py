"""Two-dimensional convolution in the forms that stay fast when many networks train in one compiled loop.

XLA's CPU backend runs the weight gradient of a convolution 10 to 100 times slower inside ``scan``, ``map`` or
``fori_loop`` than outside (jax issue 12868), and ``vmap`` over the kernels of different networks becomes a grouped
convolution, slow on CPU and GPU. Written as slices of the padded input, one concatenation and one matrix product, the
same sum is an ordinary (batched) matrix product everywhere.

``conv`` takes the arguments `flax.nnx.Conv` passes on, so it drops in as ``conv_general_dilated=conv``. Layout: input
["record height width channel"], kernel ["row column channel out"]. What else `jax.lax` offers (groups,
dilations, other layouts, a precision) is left to it.

    form      forward    input gradient    weight gradient    use
    lax       lax        lax               lax                one network at a time, on an accelerator
    patches   product    product           product            vmap over networks, on an accelerator
    mixed     lax        lax, written out  product            map over networks, on a CPU

All agree to float32 rounding. ``mixed`` keeps no nine-fold activations; of few input channels it goes forward by a product that
gives two neighbouring outputs at once. What differentiates a gradient once more, on a CPU, is two to three times as fast by
``patches``: it is traced within `using`. The gradients of ``mixed`` are written out for reverse mode and it has no other:
forward mode (`jax.jvp`, `jax.hessian`) is for the two other forms, and is refused here with a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax

Form = Literal["lax", "patches", "mixed"]
Pairs = Sequence[tuple[int, int]]
Padding = str | Pairs

_NUMBERS = ("NHWC", "HWIO", "NHWC")

CACHE = 2**19
"""Bytes of one layer that a core keeps close by: a step of cnn:16-32 on 50 CIFAR-10 images takes 9.5 ms of a core whole, and 8.0,
7.9 and 7.8 in blocks of 25, 10 and 5 records."""

_form: ContextVar[Form | None] = ContextVar("form", default=None)


@contextmanager
def using(form: Form) -> Iterator[None]:
    """Take this form for what is traced meanwhile, in this thread; a function compiled before keeps its own."""
    token = _form.set(form)
    try:
        yield
    finally:
        _form.reset(token)


def default_form() -> Form:
    """The form that `using` chose, else what suits one network: ``mixed`` on a CPU, ``lax`` elsewhere."""
    return _form.get() or ("mixed" if jax.default_backend() == "cpu" else "lax")


def windows(x: jax.Array, size: tuple[int, int], strides: tuple[int, int], padding: Padding) -> list[jax.Array]:
    """What each place of a sliding window sees: one strided slice of the padded input a place.

    Args:
        x: ["record height width channel"].
        size: rows and columns of the window.
        strides: rows and columns between windows.
        padding: "SAME", "VALID" or pairs of (before, after), filled with zeros.

    Returns:
        ["record out_height out_width channel"] for each place, row by row.
    """
    x = _padded(x, _pairs(x, size, strides, padding))
    height, width = ((x.shape[axis + 1] - size[axis]) // strides[axis] + 1 for axis in (0, 1))
    return [
        x[:, i : i + strides[0] * (height - 1) + 1 : strides[0], j : j + strides[1] * (width - 1) + 1 : strides[1]]
        for i in range(size[0])
        for j in range(size[1])
    ]


def _padded(x: jax.Array, pairs: Pairs) -> jax.Array:
    """Zeros around the rows and the columns; fewer than none cut some off."""
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*pair, 0) for pair in pairs), (0, 0, 0)])


def _pairs(x: jax.Array, size: tuple[int, int], strides: tuple[int, int], padding: Padding) -> Pairs:
    """Zeros before and after the rows and the columns."""
    if not isinstance(padding, str):
        return padding
    return lax.padtype_to_pads(x.shape[1:3], size, strides, padding)


def _by_patches(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding) -> jax.Array:
    rows, columns, channels, out = kernel.shape
    patches = jnp.concatenate(windows(x, (rows, columns), strides, padding), axis=-1)
    return patches @ kernel.reshape(rows * columns * channels, out)


def _by_lax(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=_NUMBERS)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _mixed(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding) -> jax.Array:
    """By `jax.lax`, or two columns at once where channels are few; its gradients written out."""
    # Of three channels `jax.lax` takes 3.3 ms of a core, patches 2.4 and this .84 (50 CIFAR-10 images, 16 filters of 3x3).
    if kernel.shape[2] < 8 and strides == (1, 1):
        return _by_column_pairs(x, kernel, padding)
    return _by_lax(x, kernel, strides, padding)


def _forward(x, kernel, strides, padding):
    return _mixed(x, kernel, strides, padding), (x, kernel)


def _backward(strides, padding, saved, cotangent):
    x, kernel = saved
    to_kernel = _weight_gradient(x, kernel, strides, padding, cotangent)
    return _input_gradient(x, kernel, strides, padding, cotangent), to_kernel


_mixed.defvjp(_forward, _backward)


def _reverse_mode(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding) -> jax.Array:
    try:
        return _mixed(x, kernel, strides, padding)
    except TypeError as error:
        if "jvp" not in str(error):
            raise
        raise TypeError(
            "a convolution of the form 'mixed' has gradients in reverse mode alone: take jax.grad or jax.vjp, or for forward "
            "mode trace within jaxattack.models.conv.using('lax')."
        ) from error


def _by_column_pairs(x: jax.Array, kernel: jax.Array, padding: Padding) -> jax.Array:
    """A product each of whose rows gives two outputs, side by side: most of what they see is copied once for both."""
    rows, columns, channels, out = kernel.shape
    vertical, (left, right) = _pairs(x, (rows, columns), (1, 1), padding)
    height, width = x.shape[1] + sum(vertical) - rows + 1, x.shape[2] + left + right - columns + 1
    pairs, reach = -(-width // 2), columns // 2 + 1  # of outputs, and of the columns that two outputs see
    x = _padded(x, (vertical, (left, 2 * (pairs + reach - 1) - x.shape[2] - left)))
    x = x.reshape(*x.shape[:2], pairs + reach - 1, 2 * channels)
    patches = jnp.concatenate([x[:, i : i + height, j : j + pairs] for i in range(rows) for j in range(reach)], axis=-1)
    before = [((0, 0), (shift, 2 * reach - columns - shift), (0, 0), (0, 0)) for shift in (0, 1)]
    weights = jnp.stack([jnp.pad(kernel, each) for each in before], axis=3).reshape(-1, 2 * out)
    return (patches @ weights).reshape(len(x), height, 2 * pairs, out)[:, :, :width]


def _weight_gradient(x, kernel, strides, padding, cotangent):
    rows, columns, channels, out = kernel.shape
    if strides != (1, 1):
        flat = cotangent.reshape(-1, out)
        parts = windows(x, (rows, columns), strides, padding)
        return jnp.stack([part.reshape(-1, channels).T @ flat for part in parts]).reshape(kernel.shape)
    # One product of what the kernel's columns see of the input with what its rows see of the cotangent: each is copied so
    # many times and no more, and no side of the product is as short as of one place of the window.
    (above, below), beside = _pairs(x, (rows, columns), strides, padding)
    around = (rows - 1 - above, rows - 1 - below)
    wide = jnp.concatenate(windows(x, (1, columns), (1, 1), ((0, 0), beside)), axis=-1)
    tall = jnp.concatenate(windows(cotangent, (rows, 1), (1, 1), (around, (0, 0))), axis=-1)
    product = wide.reshape(-1, columns * channels).T @ tall.reshape(-1, rows * out)
    return jnp.flip(product.reshape(columns, channels, rows, out), 2).transpose(2, 0, 1, 3)


def _input_gradient(x, kernel, strides, padding, cotangent):
    # The gradient that JAX derives swaps the kernel's axes by name, and XLA's CPU backend has no fast path for that:
    # written out with the axes in place it has. With strides it would dilate its input, which is slow as well.
    if strides != (1, 1):
        return jax.vjp(lambda x: _by_patches(x, kernel, strides, padding), x)[1](cotangent)[0]
    size = kernel.shape[:2]
    before = _pairs(x, size, strides, padding)
    pairs = [(k - 1 - low, k - 1 - high) for k, (low, high) in zip(size, before, strict=True)]
    return _by_lax(cotangent, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), (1, 1), pairs)


def _channels_last(x: jax.Array, kernel: jax.Array, numbers: Any) -> bool:
    if x.ndim != 4:
        return False
    theirs, ours = (lax.conv_dimension_numbers(x.shape, kernel.shape, each) for each in (numbers, _NUMBERS))
    return theirs == ours


def conv(
    x: jax.Array,
    kernel: jax.Array,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = _NUMBERS,
    feature_group_count: int = 1,
    *,
    form: Form | None = None,
    **options: Any,
) -> jax.Array:
    """Convolution with the signature of `jax.lax.conv_general_dilated`.

    Args:
        x: ["record height width channel"].
        kernel: ["row column channel out"].
        window_strides: rows and columns between windows.
        padding: "SAME", "VALID" or pairs of (before, after).
        lhs_dilation: other than 1, it is left to `jax.lax`.
        rhs_dilation: other than 1, it is left to `jax.lax`.
        dimension_numbers: other than of channels-last images, it is left to `jax.lax`.
        feature_group_count: other than 1, it is left to `jax.lax`.
        form: see the module's table; by default what suits the backend.
        options: any that is set, as a precision, is left to `jax.lax`.

    Returns:
        ["record out_height out_width out"].

    Raises:
        TypeError: forward mode through ``mixed``.
    """
    plain = all(d == 1 for d in (*(lhs_dilation or ()), *(rhs_dilation or ()), feature_group_count))
    if not plain or not _channels_last(x, kernel, dimension_numbers) or any(options.values()):
        return lax.conv_general_dilated(
            x,
            kernel,
            window_strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            **options,
        )
    forms = {"lax": _by_lax, "patches": _by_patches, "mixed": _reverse_mode}
    fixed = padding if isinstance(padding, str) else tuple((int(a), int(b)) for a, b in padding)
    rows, columns = window_strides
    return forms[form or default_form()](x, kernel, (rows, columns), fixed)


def in_blocks(function: Callable[[jax.Array], jax.Array], x: jax.Array, largest: int) -> jax.Array:
    """Some records at a time, where networks convolve on a CPU: what a layer says of a block is in the core's cache for the next.

    Args:
        function: of ["record height width channel"], for each record by itself.
        x: ["record height width channel"].
        largest: numbers that its largest layer makes of a record.

    Returns:
        What the function says of all records.
    """
    block = max(1, CACHE // (x.dtype.itemsize * largest))
    if default_form() != "mixed" or len(x) <= block:
        return function(x)
    # What divides the records leaves no rest, for which a second program would be compiled.
    block = next((size for size in range(block, block // 2, -1) if len(x) % size == 0), block)
    return lax.map(lambda record: function(record[None])[0], x, batch_size=block)


@jax.custom_vjp
def max_pool(x: jax.Array) -> jax.Array:
    """Maximum over 2x2 windows; an odd last row or column is dropped.

    The gradient goes to the first of the largest, which takes one byte a window to remember.

    Args:
        x: ["record height width channel"].

    Returns:
        ["record height//2 width//2 channel"].
    """
    return _pooled(x)[0]


def _pooled(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The maximum of each window, and which of its four places it comes from."""
    places = windows(x, (2, 2), (2, 2), "VALID")
    largest, which = places[0], jnp.zeros(places[0].shape, jnp.uint8)
    for number, place in enumerate(places[1:], start=1):
        which = jnp.where(place > largest, jnp.uint8(number), which)
        largest = jnp.maximum(largest, place)
    return largest, which


def _pooled_forward(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    largest, which = _pooled(x)
    return largest, (which, x[:0])


def _pooled_backward(saved: tuple[jax.Array, jax.Array], cotangent: jax.Array) -> tuple[jax.Array]:
    which, like = saved
    records, height, width, channels = cotangent.shape
    each = (records, height, 1, width, 1, channels)
    place = jnp.arange(4, dtype=jnp.uint8).reshape(1, 1, 2, 1, 2, 1)
    spread = jnp.where(which.reshape(each) == place, cotangent.reshape(each), 0)
    spread = spread.reshape(records, 2 * height, 2 * width, channels)
    odd = [(0, size - even) for size, even in zip(like.shape[1:3], spread.shape[1:3], strict=True)]
    return (jnp.pad(spread, ((0, 0), *odd, (0, 0))),)


max_pool.defvjp(_pooled_forward, _pooled_backward)

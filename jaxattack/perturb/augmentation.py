"""Weak and strong views of pictures, as semi-supervised learning has them (Sohn et al. 2020, FixMatch, arXiv 2001.07685).

    weak      shifted by up to an eighth of each side, reflected at the edge; mirrored half of the time, where that is asked for
    strong    two operations drawn at random with random sizes (RandAugment, Cubuk et al. 2020, arXiv 1909.13719), then a square
              of random size greyed out (Cutout, DeVries and Taylor 2017)

Operations and their ranges are FixMatch's, equalisation of the histogram left out:

    identity, autocontrast
    brightness, colour, contrast, sharpness     a share of .05 to .95 of the picture, the rest black, grey, its mean, or blurred
    posterise                                   4 to 8 bits
    solarise                                    inverted from a threshold of 0 to 1
    rotation                                    up to 30 degrees either way
    shear, translation, along either axis       up to .3, of the side for translations

Two movements are one, interpolated once, and come before the colours; pixels from outside are the nearest of the edge. Pictures
are floats from -1 to 1 as networks take them, and views have the same shape. A view depends on its key and its picture alone.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Float, Int, PRNGKeyArray

from jaxattack.types import InputError

Picture = Float[jax.Array, "height width channel"]

MOVEMENTS = ("rotation", "shear-rows", "shear-columns", "translation-rows", "translation-columns")
COLOURS = ("identity", "autocontrast", "brightness", "colour", "contrast", "sharpness", "posterise", "solarise")
OPERATIONS = (*MOVEMENTS, *COLOURS)
_DRAWN = 2
_DEGREES, _SLANT = 30.0, 0.3
_SIDE = 0.5
"""The largest square that is greyed out, as a share of the height."""


def require_pictures(shape: tuple[int, ...], name: str) -> None:
    """Refuse records of which there are no views.

    Args:
        shape: of one record.
        name: of what wants views, for the message.

    Raises:
        InputError: they are no pictures [height, width, channel] of 2 x 2 pixels or more.
    """
    if len(shape) != 3 or min(shape[:2]) < 2:
        raise InputError(
            f"{name} needs weak and strong views of pictures, and a record has the shape {shape}: give pictures [height, width, "
            "channel], or choose another."
        )


def weak_view(key: PRNGKeyArray, x: Picture, *, flip: bool) -> Picture:
    """A picture shifted, and mirrored half of the time where ``flip`` says so."""
    u = jax.random.uniform(key, (3,))  # drawn at once: every draw costs a compilation of its own
    if flip:
        x = jnp.where(u[2] < 0.5, x[:, ::-1], x)
    most = [max(side // 8, 1) for side in x.shape[:2]]
    rows, columns = (_integer(u[axis], 2 * side + 1) for axis, side in enumerate(most))
    canvas = jnp.pad(x, ((most[0],) * 2, (most[1],) * 2, (0, 0)), mode="reflect")
    return jax.lax.dynamic_slice(canvas, (rows, columns, 0), x.shape)


def strong_view(key: PRNGKeyArray, x: Picture) -> Picture:
    """A picture moved, recoloured and partly greyed out."""
    u = jax.random.uniform(key, (2 * _DRAWN + 3,))
    operations, sizes, square = _integer(u[:_DRAWN], len(OPERATIONS)), u[_DRAWN : 2 * _DRAWN], u[2 * _DRAWN :]
    first, second = jax.vmap(movement)(operations, sizes)
    x = move(x, first @ second)
    x, _ = jax.lax.scan(lambda now, one: (recolour(now, one[0] - len(MOVEMENTS), one[1]), None), x, (operations, sizes))
    return cut_out(x, square)


def _integer(u: jax.Array, count: int) -> jax.Array:
    """Whole numbers from 0 to below ``count``, alike likely, of uniform ones from 0 to below 1."""
    return (u * count).astype(jnp.int32).clip(max=count - 1)


def movement(operation: Int[jax.Array, ""], size: Float[jax.Array, ""]) -> Float[jax.Array, "3 3"]:
    """Where a movement takes each place (row, column, 1) of its result from, in shares of the sides about the middle.

    Args:
        operation: its place in `MOVEMENTS`; another is none.
        size: from 0 to 1, of which a half is no movement.
    """
    slant = (2 * size - 1) * _SLANT
    angle = jnp.deg2rad((2 * size - 1) * _DEGREES)
    sine, cosine = jnp.sin(angle), jnp.cos(angle)
    still = jnp.eye(3)
    every = jnp.stack(
        [
            jnp.asarray([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]),
            *(still.at[place].set(slant) for place in ((0, 1), (1, 0), (0, 2), (1, 2))),
            still,
        ]
    )
    return every[jnp.where((operation >= 0) & (operation < len(MOVEMENTS)), operation, len(MOVEMENTS))]


def move(x: Picture, matrix: Float[jax.Array, "3 3"]) -> Picture:
    """A picture each place of which is taken from where `movement` says, interpolated linearly."""
    height, width, _ = x.shape
    rows, columns = (
        at - (side - 1) / 2 for at, side in zip(jnp.indices((height, width), x.dtype), (height, width), strict=True)
    )
    # Translations are shares of a side, and everything else turns pixels about the middle.
    sides = jnp.asarray([height, width], x.dtype)
    from_rows, from_columns = (
        matrix[axis, 0] * rows + matrix[axis, 1] * columns + matrix[axis, 2] * sides[axis] + (sides[axis] - 1) / 2
        for axis in (0, 1)
    )

    def take(plane):
        return map_coordinates(plane, [from_rows, from_columns], order=1, mode="nearest")

    return jax.vmap(take, in_axes=-1, out_axes=-1)(x)


def recolour(x: Picture, operation: Int[jax.Array, ""], size: Float[jax.Array, ""]) -> Picture:
    """A picture in other colours.

    Args:
        x: the picture.
        operation: its place in `COLOURS`; one below 0 leaves the picture.
        size: from 0 to 1, the place in the operation's range.
    """
    light = (x + 1) / 2
    share = 0.05 + 0.9 * size
    low, high = (reduce(light, axis=(0, 1), keepdims=True) for reduce in (jnp.min, jnp.max))
    span = jnp.where(high > low, high - low, 1.0)
    stretched = jnp.where(high > low, (light - low) / span, light)
    grey = light.mean(axis=2, keepdims=True)
    levels = 2.0 ** (8 - jnp.floor(4 + 4 * size + 0.5))
    bytes_of = jnp.round(255 * light)
    every = jnp.stack(
        [
            light,
            stretched,
            share * light,
            grey + share * (light - grey),
            grey.mean() + share * (light - grey.mean()),
            _sharpened(light, share),
            jnp.floor(bytes_of / levels) * levels / 255,
            jnp.where(light >= size, 1 - light, light),
        ]
    )
    return 2 * every[jnp.maximum(operation, 0)].clip(0, 1) - 1


def _sharpened(light: Picture, share: Float[jax.Array, ""]) -> Picture:
    """So much of a picture, and of its mean over 3 x 3 pixels in which the middle counts five times the rest."""
    height, width, _ = light.shape
    canvas = jnp.pad(light, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = [canvas[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    blurred = (jnp.stack(around).sum(axis=0) + 4 * light) / 13
    return blurred + share * (light - blurred)


def cut_out(x: Picture, square: Float[jax.Array, "3"]) -> Picture:
    """A picture with a square greyed out.

    Args:
        x: the picture.
        square: its side as a share of `_SIDE` of the height, and its middle as shares of the sides, each from 0 to 1.
    """
    half = square[0] * _SIDE * x.shape[0] / 2
    centre = square[1:] * jnp.asarray(x.shape[:2], x.dtype)
    rows, columns = (
        jnp.abs(jnp.arange(side, dtype=x.dtype) + 0.5 - middle) < half
        for side, middle in zip(x.shape[:2], centre, strict=True)
    )
    return jnp.where((rows[:, None] & columns[None])[..., None], 0.0, x)

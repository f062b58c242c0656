"""Whether rotated or shifted copies of a picture are answered with its label (Choquette-Choo et al. 2021, arXiv 2007.14321).

    rotation       by 0, r and -r degrees: 3 copies
    translation    by (rows, columns) with |rows| + |columns| = d, and by nothing: 4 d + 1 copies

the picture itself first. They tell most of a model that was trained on copies of the same kind. A pixel that comes from
outside is the nearest of the edge; between pixels a rotation interpolates linearly. The authors' code takes all whole
degrees from -r to r instead, none but 0 where r is 1, interpolates by cubic splines, and fills a rotated picture with 0.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Float, Int

from jaxattack.signals.scores import Labels
from jaxattack.types import InputError, Sight, View, at_least, config


@config
class AugmentedCorrectness:
    """1 where a copy is answered with the label, else 0: ["record copy"].

    Attributes:
        kind: how the copies are made.
        size: r in degrees, or d in pixels, at least 1; the paper's 1 to 15 degrees.

    Raises:
        InputError: a size below 1, or a turn of more than 180 degrees; when it is asked, records that are no pictures, or
            that are smaller than the shift.
    """

    paper = "Choquette-Choo et al. 2021"

    kind: Literal["rotation", "translation"]
    size: int

    def __post_init__(self) -> None:
        at_least(1, size=self.size)
        if self.kind == "rotation" and self.size > 180:
            raise InputError(f"size is {self.size} degrees: give at most 180.")

    @property
    def sees(self) -> Sight:
        """Labels are enough."""
        return "label"

    @property
    def queries(self) -> int:
        """The copies, the picture itself among them."""
        return 3 if self.kind == "rotation" else 4 * self.size + 1

    @property
    def name(self) -> str:
        """``rotation_correct_4`` or ``translation_correct_1``: kind, size."""
        return f"{self.kind}_correct_{self.size}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:  # noqa: ARG002
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: no pictures, or too small ones.
        """
        if x.ndim != 4:
            raise InputError(
                f"{self.name} moves pictures, and records have {x[0].size} columns: ask for noise instead."
            )
        number = jnp.arange(self.queries)
        if self.kind == "rotation":
            moves = jnp.asarray([0.0, self.size, -self.size])
            move = rotate
        else:
            if self.size >= min(x.shape[1:3]):
                raise InputError(f"size is {self.size} pixels and pictures are {x.shape[1]} x {x.shape[2]}: lower it.")
            moves, move = steps(self.size), partial(shift, most=self.size)
        bits = jax.lax.map(lambda now: view.answer(move(x, now[1]), now[0]).label == y, (number, moves))
        return bits.T.astype(jnp.float32)


def steps(size: int) -> Int[jax.Array, "copy 2"]:
    """All (rows, columns) with |rows| + |columns| = size, after (0, 0)."""
    rows = np.concatenate([np.arange(-size, size + 1), np.arange(1 - size, size)])
    columns = size - np.abs(rows)
    columns[2 * size + 1 :] *= -1
    return jnp.asarray(np.concatenate([[(0, 0)], np.stack([rows, columns], axis=1)]), jnp.int32)


def shift(
    x: Float[jax.Array, "record height width channel"], by: Int[jax.Array, "2"], most: int
) -> Float[jax.Array, "record height width channel"]:
    """Pictures moved down and right, at most so many pixels either way."""
    canvas = jnp.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    return jax.lax.dynamic_slice(canvas, (0, most - by[0], most - by[1], 0), x.shape)


def rotate(
    x: Float[jax.Array, "record height width channel"], degrees: Float[jax.Array, ""]
) -> Float[jax.Array, "record height width channel"]:
    """Pictures turned about their middle, as `scipy.ndimage.rotate` turns them."""
    angle = jnp.deg2rad(degrees)
    middle = [(side - 1) / 2 for side in x.shape[1:3]]
    down, right = (at - half for at, half in zip(jnp.indices(x.shape[1:3], x.dtype), middle, strict=True))
    rows = jnp.cos(angle) * down + jnp.sin(angle) * right + middle[0]
    columns = jnp.cos(angle) * right - jnp.sin(angle) * down + middle[1]

    def turn(plane):
        return map_coordinates(plane, [rows, columns], order=1, mode="nearest")

    return jax.vmap(jax.vmap(turn, in_axes=-1, out_axes=-1))(x)

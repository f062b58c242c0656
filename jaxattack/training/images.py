"""Records as a network sees them: scaled, augmented while training, and seen from several views while observing.

Everything here is traced and runs on the device; records stay uint8 until they are used.
"""

from __future__ import annotations

from math import isqrt

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jaxattack.models.adapt import as_input
from jaxattack.training.recipe import Recipe
from jaxattack.types import Dataset, InputError, Learner, Viewing, config

BLOCK = 1024
"""Records a model is asked about at once: large enough for matrix products at full speed, small beside memory."""


def in_blocks(records: int, block: int) -> Int[np.ndarray, "block record"]:
    """Indices of all records in blocks of equal size, at most the one given; the last record is repeated to fill them."""
    blocks = -(-records // block)
    size = -(-records // blocks)
    return np.arange(blocks * size).clip(max=records - 1).reshape(blocks, size)


def augment(recipe: Recipe, key: jax.Array, x: jax.Array) -> jax.Array:
    """Records as training sees them, as floats of the same shape: each image flipped, cropped and cut out as the recipe says.

    Images stay bytes while they are moved. A crop is a slice an image, which XLA gathers: on a CPU 20 times as fast as
    selecting among all shifts, 100 times as fast as multiplying by one-hot rows.

    Args:
        recipe: its ``flip``, ``crop`` and ``cutout``; without any, records stay as they are.
        key: a random key.
        x: as `as_input` takes them; with any of the three, images ["record height width channel"].
    """
    if not recipe.augments:
        return as_input(x)
    flip_key, crop_key, cut_key = jax.random.split(key, 3)
    records, height, width, _ = x.shape
    if recipe.flip:
        mirrored = jax.random.bernoulli(flip_key, shape=(records, 1, 1, 1))
        x = jnp.where(mirrored, x[:, :, ::-1], x)
    if recipe.crop:
        offsets = jax.random.randint(crop_key, (records, 2), 0, 2 * recipe.crop + 1)
        canvas = jnp.pad(x, ((0, 0), (recipe.crop,) * 2, (recipe.crop,) * 2, (0, 0)), mode="reflect")
        x = jax.vmap(lambda image, at: jax.lax.dynamic_slice(image, (at[0], at[1], 0), x.shape[1:]))(canvas, offsets)
    x = as_input(x)
    if recipe.cutout:
        centre = jax.random.randint(cut_key, (records, 2), 0, jnp.array([[height, width]]))
        low = centre - recipe.cutout // 2
        rows, columns = (
            (jnp.arange(size)[None] >= low[:, axis, None])
            & (jnp.arange(size)[None] < low[:, axis, None] + recipe.cutout)
            for axis, size in ((0, height), (1, width))
        )
        x = jnp.where((rows[:, :, None] & columns[:, None, :])[..., None], 0.0, x)
    return x


@config
class Queries:
    """The views of a record that every model is asked about: the same set for every model, the record itself first.

    The LiRA paper asks 18: mirrored or not, and shifted by -1, 0 or 1 pixel each way, with reflect padding.

    Attributes:
        mirror: ask also about the mirror image.
        shift: the largest shift in pixels, each way.

    Raises:
        InputError: a negative shift.
    """

    mirror: bool = False
    shift: int = 0

    def __post_init__(self) -> None:
        if self.shift < 0:
            raise InputError(f"shift is {self.shift}: give 0 or more pixels.")

    @property
    def count(self) -> int:
        """How many views a record has."""
        return (2 if self.mirror else 1) * (2 * self.shift + 1) ** 2

    @classmethod
    def counting(cls, count: int) -> Queries:
        """The set of so many views: 1; 2 (mirrored); 9 or 18 (shift 1); 25 or 50 (shift 2); 81 or 162 (shift 4).

        Raises:
            InputError: no set has so many.
        """
        mirror = count % 2 == 0
        side = isqrt(max(count, 0) // (2 if mirror else 1))
        queries = cls(mirror=mirror, shift=(side - 1) // 2) if side else cls()
        if queries.count != count:
            raise InputError(f"queries is {count}: give 1, 2, 9, 18, 25, 50, 81 or 162.")
        return queries

    def offsets(self) -> Int[np.ndarray, "query 3"]:
        """Each view as (mirrored, rows, columns), the window's place in the padded image; the record itself first."""
        steps = [0, *(sign * step for step in range(1, self.shift + 1) for sign in (-1, 1))]
        views = [
            (flip, self.shift + i, self.shift + j) for flip in range(1 + self.mirror) for i in steps for j in steps
        ]
        return np.array(views, np.int32)


def view(queries: Queries, x: jax.Array, offset: Int[jax.Array, "3"]) -> jax.Array:
    """One view of each record, of the same shape. ["record *feature"]"""
    if queries.count == 1:
        return x
    shape = x.shape
    x = jnp.where(offset[0] == 1, x[:, :, ::-1], x)
    if queries.shift:
        x = jnp.pad(x, ((0, 0), (queries.shift,) * 2, (queries.shift,) * 2, (0, 0)), mode="reflect")
    return jax.lax.dynamic_slice(x, (0, offset[1], offset[2], 0), shape)


CHANNELS = (1, 3, 4)
"""Of pictures: grey, red-green-blue, and with transparency."""


def check_images(dataset: Dataset) -> None:
    """Refuse images that a network of this package would misread: channels that come first, floats outside -1 to 1.

    Its networks get bytes as floats from -1 to 1 (`as_input`), and floats as they are. Tables are not affected.

    Raises:
        InputError: how they are, and how to give them.
    """
    if dataset.x.ndim != 4:
        return
    first, *sides = dataset.shape
    if first in CHANNELS and sides[1] not in CHANNELS and min(sides) > max(CHANNELS):
        raise InputError(
            f"{dataset.name} has images of shape {dataset.shape}, whose channels seem to come first: give the layout "
            "[record, height, width, channel], as x.transpose(0, 2, 3, 1) or the file's name with ?layout=nchw does; where they are so high and have so many "
            "channels, exchange height and width."
        )
    if dataset.images:
        return
    low, high = float(dataset.x.min()), float(dataset.x.max())
    if max(-low, high) > 1.001:  # arithmetic in float16 rounds 1 to within this
        raise InputError(
            f"{dataset.name} has images of floats from {low:g} to {high:g}, and networks take them on a scale from -1 to "
            f"1: give bytes (uint8) from 0 to 255, divide by {max(-low, high):g}, or where they "
            f"begin at 0 name the file with ?scale={max(high, 1):g}."
        )


def check_views(learner: Recipe | Learner, queries: Queries, dataset: Dataset) -> None:
    """Refuse augmentation or views that the records have not.

    Args:
        learner: how models are trained, or its recipe alone.
        queries: the views that are asked about.
        dataset: the records.

    Raises:
        InputError: they are no images, or too small for the shift or the crop, or the learner can make no views of them.
    """
    if isinstance(learner, Viewing):
        learner.check_records(dataset)
    recipe: Recipe = learner if isinstance(learner, Recipe) else learner.recipe
    if (queries.count > 1 or recipe.augments) and len(dataset.shape) != 3:
        raise InputError(f"{dataset.name} holds no images: ask 1 query a record, and leave flip, crop and cutout off.")
    for name, pixels in (("shift", queries.shift), ("crop", recipe.crop), ("cutout", recipe.cutout)):
        if pixels and pixels >= min(dataset.shape[:2]):
            raise InputError(f"{name} is {pixels} pixels and {dataset.name} has images {dataset.shape}: lower it.")

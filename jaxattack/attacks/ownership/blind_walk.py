"""Blind Walk: how far a suspect's label holds along random rays, from labels alone (Maini et al. 2021, appendix).

A ray of a record is ONE draw of noise, which is added once, twice, three times and so on until the label is no longer the
record's; what was added then, inside of the box, has a length in the norm that belongs to the noise:

    max norm    uniform within .005        2-norm    normal of deviation .005        1-norm    Laplace of scale .01

Lengths are in shares of each feature's range. A record that the suspect labels wrong is left at the first step. All rays of
all records walk side by side, so that a step is one batch, and a ray that has crossing is asked nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.box import box_of
from jaxattack.types import Inputs

NORMS = (np.inf, 2.0, 1.0)
"""Of the three kinds of noise, in their order."""

_NUMBERS = 1 << 24
"""Of noise that is held at once: 64 MiB."""

Ask = Callable[[Float[np.ndarray, "query *feature"]], Int[np.ndarray, "query"]]
"""Points -> labels."""


class Rays(NamedTuple):
    """Rays that were walked.

    Attributes:
        length: in the norm of its noise, where the label crossing or where the walk did.
        steps: questions asked along it.
        crossing: whether the label ended.
    """

    length: Float[np.ndarray, "record norm repeat"]
    steps: Int[np.ndarray, "record norm repeat"]
    crossing: Bool[np.ndarray, "record norm repeat"]


def blind_walk(
    ask: Ask,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    *,
    seed: int,
    first: int = 0,
    scale: float = 1.0,
    repeats: int = 10,
    steps: int = 50,
) -> Rays:
    """Walk along the rays of every record until its label ends.

    Args:
        ask: a suspect, by labels.
        x: records in its units.
        y: their true labels.
        inputs: the range to stay in; categories of a table stay as they are.
        seed: decides the rays, with a record's number.
        first: the number of the first record.
        scale: times the paper's noise.
        repeats: rays of each record and norm.
        steps: of each ray, at most; one that goes no farther has the length of all of them.
    """
    most = max(_NUMBERS // (len(NORMS) * repeats * x[0].size), 1)
    parts = [
        _walk(ask, x[at : at + most], y[at : at + most], inputs, (seed, first + at), (scale, repeats, steps))
        for at in range(0, len(x), most)
    ]
    return Rays(*map(np.concatenate, zip(*parts, strict=True)))


def _walk(
    ask: Ask, x: np.ndarray, y: np.ndarray, inputs: Inputs, source: tuple[int, int], walk: tuple[float, int, int]
) -> Rays:
    scale, repeats, steps = walk
    low, high, span = box_of(inputs)
    x = x.astype(np.float32)
    rays = np.float32(scale) * span * (inputs.categories == 0) * noise(source, x.shape, repeats)
    rays = rays.reshape(-1, *x.shape[1:])
    record = np.repeat(np.arange(len(x)), len(NORMS) * repeats)
    count, live = np.ones(len(rays), int), np.arange(len(rays))

    def points(rows: np.ndarray) -> np.ndarray:
        along = count[rows].astype(np.float32).reshape(-1, *[1] * (x.ndim - 1))
        return np.clip(x[record[rows]] + along * rays[rows], low, high)

    for step in range(1, steps + 1):
        count[live] = step
        live = live[np.asarray(ask(points(live))) == y[record[live]]]
        if not len(live):
            break
    length, crossing = np.empty(len(rays)), np.ones(len(rays), bool)
    crossing[live] = False
    for start in range(0, len(rays), 1024):  # the lengths of all at once would hold the rays a third time
        rows = np.arange(start, min(start + 1024, len(rays)))
        share = np.abs((points(rows) - x[record[rows]]) / span).reshape(len(rows), -1)
        norms = np.stack([share.max(axis=1), np.sqrt((share**2).sum(axis=1)), share.sum(axis=1)])
        length[rows] = norms[rows // repeats % len(NORMS), np.arange(len(rows))]
    shape = len(x), len(NORMS), repeats
    return Rays(length.reshape(shape), count.reshape(shape), crossing.reshape(shape))


def noise(
    source: tuple[int, int], shape: tuple[int, ...], repeats: int
) -> Float[np.ndarray, "record norm repeat *feature"]:
    """Noise of records by their numbers, of the three kinds, before it is scaled.

    Args:
        source: the seed, and the number of the first record.
        shape: of all records.
        repeats: draws of each record and kind.
    """
    seed, first = source
    return np.asarray(_noise(jax.random.key(seed), first + jnp.arange(shape[0]), (repeats, *shape[1:])))


@partial(jax.jit, static_argnames="shape")
def _noise(key: jax.Array, number: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    def one(number):
        keys = jax.random.split(jax.random.fold_in(key, number), len(NORMS))
        uniform = jax.random.uniform(keys[0], shape, minval=-0.005, maxval=0.005)
        return jnp.stack(
            [uniform, 0.005 * jax.random.normal(keys[1], shape), 0.01 * jax.random.laplace(keys[2], shape)]
        )

    return jax.vmap(one)(number)

"""What a neuron's zero set tells of its weights, before the signs of the layer below are known.

With the pre-activations z_i of the layer below known up to scale and sign, relu(s z) = (|z| + s z) / 2 for s = +-1
gives a neuron of the next layer as

    z(x) = sum_i a_i |z_i(x)| + v_i z_i(x) + c,    v_i = s_i a_i,

linear in (a, v, c). In a cell of the known layers, with side_i the sign of z_i, its normal there is

    n = sum_i (a_i side_i + v_i) grad z_i,

which is linear in (a, v) too: every cell that its zero set is followed into gives as many equations as there are
features, all at one common scale. No partial signatures have to be merged (Carlini, Jagielski, Mironov 2020, section
4.3), and nothing asks that the layer below be contractive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.peel import Affine, Layers, affine, heights, last

RANK = 1e-8
"""Singular values below this share of the largest count as none."""
SPREAD = np.array([1.0, 2.0, 4.0])
DRAWN = 600
HALVINGS = 50


def side_of(on: Bool[np.ndarray, "cell neuron"]) -> Float[np.ndarray, "cell neuron"]:
    """1 where on, -1 where off."""
    return np.where(on, 1.0, -1.0)


class Trail(NamedTuple):
    """Cells that one neuron's zero set was followed into.

    Attributes:
        on: Bool["cell neuron"], the known neurons that are on there.
        normal: Float["cell feature"], of the zero set, all at one scale.
        x: Float["cell feature"], a point of it.
    """

    on: Bool[np.ndarray, "cell neuron"]
    normal: Float[np.ndarray, "cell feature"]
    x: Float[np.ndarray, "cell feature"]

    def below(self, layers: Layers) -> tuple[Affine, Float[np.ndarray, "cell neuron"]]:
        """The last known layer in these cells, and the side of each of its neurons."""
        maps, here = affine(layers, self.on, self.x.shape[1]), last(layers)
        return Affine(maps.gradient[:, here], maps.offset[:, here]), side_of(self.on[:, here])


def rows(
    gradient: Float[np.ndarray, "cell neuron feature"], side: Float[np.ndarray, "cell neuron"]
) -> Float[np.ndarray, "cell feature 2*neuron"]:
    """The equations of cells for (a, v)."""
    return np.concatenate([gradient * side[:, :, None], gradient], axis=1).swapaxes(1, 2)


@dataclass
class Equations:
    """The equations of one neuron so far, compressed to a triangle as they come.

    Attributes:
        width: of the layer below.
        triangle: Float["equation 2*neuron+1"], equations and right-hand side.
        basis: Float["rank 2*neuron"], of what they determine.
        solution: Float["2*neuron"], the shortest.
    """

    width: int
    triangle: np.ndarray = field(init=False)
    basis: np.ndarray = field(init=False)
    solution: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.triangle = np.zeros((0, 2 * self.width + 1))

    def add(self, block: Float[np.ndarray, "feature 2*neuron"], normal: Float[np.ndarray, "feature"]) -> None:
        """Take in the equations of one more cell."""
        stacked = np.concatenate([self.triangle, np.column_stack([block, normal])])
        self.triangle = np.asarray(np.linalg.qr(stacked, mode="r"))
        left, size, right = np.linalg.svd(self.triangle[:, :-1], full_matrices=False)
        rank = int((size > RANK * size[0]).sum())
        self.basis = right[:rank]
        self.solution = right[:rank].T @ ((left[:, :rank].T @ self.triangle[:, -1]) / size[:rank])

    def determines(self, blocks: Float[np.ndarray, "cell feature 2*neuron"]) -> Bool[np.ndarray, "cell"]:
        """In which cells the normal follows from what is known."""
        off = blocks - (blocks @ self.basis.T) @ self.basis
        size = np.abs(blocks).max(axis=(1, 2), initial=0)
        return (np.abs(off).max(axis=(1, 2), initial=0) < 1e-7 * size) & (size > 0)

    def normals(self, blocks: Float[np.ndarray, "cell feature 2*neuron"]) -> Float[np.ndarray, "cell feature"]:
        """The normals of the zero set that follow."""
        return blocks @ self.solution


def blocks(layers: Layers, on: Bool[np.ndarray, "cell neuron"], features: int) -> np.ndarray:
    """The equations of the cells in which ``on`` are on, Float["cell feature 2*neuron"]."""
    here = last(layers)
    return rows(affine(layers, on, features).gradient[:, here], side_of(on[:, here]))


def zero_points(
    layers: Layers, equations: Equations, through: Float[np.ndarray, "feature"], rng: np.random.Generator
) -> Float[np.ndarray, "point feature"]:
    """Points of a zero set far and wide, by halving between points on its two sides, where the equations hold.

    Args:
        layers: known so far.
        equations: of the neuron.
        through: one point of its zero set.
        rng: draws the points between which it is looked for.
    """
    here, features = last(layers), len(through)
    fold, slope = np.split(equations.solution, 2)

    def function(x: np.ndarray) -> np.ndarray:
        below = heights(layers, x)[:, here]
        return np.abs(below) @ fold + below @ slope

    def holds(x: np.ndarray) -> Bool[np.ndarray, "point"]:
        return equations.determines(blocks(layers, heights(layers, x) > 0, features))

    level = function(through[None])[0]
    x = rng.choice(SPREAD, size=(DRAWN, 1)) * rng.normal(size=(DRAWN, features))
    x = x[holds(x)]
    above = function(x) > level
    count = min(above.sum(), (~above).sum())
    low, high = x[~above][:count], x[above][:count]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        up = (function(middle) > level)[:, None]
        low, high = np.where(up, low, middle), np.where(up, middle, high)
    return high[holds(high)] if count else high


class Signature(NamedTuple):
    """A neuron as a function of the layer below, whose signs are open.

    Attributes:
        fold: Float["neuron"], a; of length 1.
        slope: Float["neuron"], v; the shortest that the equations allow.
        offset: c.
        free: Bool["neuron"], where the zero set never met the hyperplane of the neuron below, so that a and v cannot
            be told apart.
        scale: by how much normals of the trail are longer.
        trail: where it was followed.
        residual: the largest miss of any equation, as a share of the largest normal.
        spread: the largest difference between the offsets that the points of the trail give.
    """

    fold: Float[np.ndarray, "neuron"]
    slope: Float[np.ndarray, "neuron"]
    offset: float
    free: Bool[np.ndarray, "neuron"]
    scale: float
    trail: Trail
    residual: float
    spread: float

    def heights(self, layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point"]:
        """Its pre-activation."""
        below = heights(layers, x)[:, last(layers)]
        return np.abs(below) @ self.fold + below @ self.slope + self.offset

    def distance(self, layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point"]:
        """How far points are from its zero set, were it flat."""
        on = heights(layers, x) > 0
        gradient = affine(layers, on, x.shape[1]).gradient[:, last(layers)]
        normal = np.einsum("ph,phf->pf", side_of(on[:, last(layers)]) * self.fold + self.slope, gradient)
        return np.abs(self.heights(layers, x)) / np.maximum(np.linalg.norm(normal, axis=1), np.finfo(float).tiny)


def signature(layers: Layers, trail: Trail) -> Signature | None:
    """Solve the equations of a trail; None where they leave no weight other than 0."""
    below, side = trail.below(layers)
    width = side.shape[1]
    matrix = rows(below.gradient, side).reshape(-1, 2 * width)
    target = trail.normal.ravel()
    left, size, right = np.linalg.svd(matrix, full_matrices=False)
    rank = int((size > RANK * size[0]).sum())
    solution = right[:rank].T @ ((left[:, :rank].T @ target) / size[:rank])
    fold, slope = solution[:width], solution[width:]
    scale = float(np.linalg.norm(fold))
    if not scale > 0:
        return None
    value = below.heights(trail.x)
    offset = -(np.abs(value) @ fold + value @ slope)
    return Signature(
        fold=fold / scale,
        slope=slope / scale,
        offset=float(np.median(offset)) / scale,
        free=((right[:rank] ** 2).sum(axis=0) < 1 - 1e-6)[:width],
        scale=scale,
        trail=trail,
        residual=float(np.abs(matrix @ solution - target).max() / np.abs(target).max()),
        spread=float(np.ptp(offset)) / scale,
    )

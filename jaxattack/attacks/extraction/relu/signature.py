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

from jaxattack.attacks.extraction.relu.cells import Affine, Layers, affine, heights, last

RANK = 1e-8
"""Singular values below this share of the largest count as none."""

AGREES = 1e-6
"""How far equations and offsets of one neuron may be off, as a share of the largest normal and of the fold."""

SPREAD, DRAWN, HALVINGS = np.array([1.0, 2.0, 4.0]), 600, 50


class Trail(NamedTuple):
    """Cells that one neuron's zero set was followed into: what is on there, its normals at one scale, and points of it."""

    on: Bool[np.ndarray, "cell neuron"]
    normal: Float[np.ndarray, "cell feature"]
    x: Float[np.ndarray, "cell feature"]

    def below(self, layers: Layers) -> tuple[Affine, Float[np.ndarray, "cell neuron"]]:
        """The last known layer in these cells, and the side of each of its neurons."""
        maps, here = affine(layers, self.on, self.x.shape[1]), last(layers)
        return Affine(maps.gradient[:, here], maps.offset[:, here]), side_of(self.on[:, here])


def side_of(on: Bool[np.ndarray, "cell neuron"]) -> Float[np.ndarray, "cell neuron"]:
    """1 where on, -1 where off."""
    return np.where(on, 1.0, -1.0)


def blocks(layers: Layers, on: Bool[np.ndarray, "cell neuron"], features: int) -> np.ndarray:
    """The equations for (a, v) of the cells in which ``on`` are on, Float["cell feature 2*neuron"]."""
    gradient, side = affine(layers, on, features).gradient[:, last(layers)], side_of(on[:, last(layers)])
    return np.concatenate([gradient * side[:, :, None], gradient], axis=1).swapaxes(1, 2)


def _shortest(matrix: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shortest solution of least squares, and a basis of what the equations determine."""
    left, size, right = np.linalg.svd(matrix, full_matrices=False)
    rank = int((size > RANK * size[0]).sum())
    return right[:rank].T @ ((left[:, :rank].T @ target) / size[:rank]), right[:rank]


@dataclass
class Equations:
    """The equations of one neuron so far, compressed to a triangle as they come, and their shortest solution."""

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
        self.solution, self.basis = _shortest(self.triangle[:, :-1], self.triangle[:, -1])

    def determines(self, blocks: Float[np.ndarray, "cell feature 2*neuron"]) -> Bool[np.ndarray, "cell"]:
        """In which cells the normal follows from what is known."""
        off = blocks - (blocks @ self.basis.T) @ self.basis
        size = np.abs(blocks).max(axis=(1, 2), initial=0)
        return (np.abs(off).max(axis=(1, 2), initial=0) < 1e-7 * size) & (size > 0)


def zero_points(
    layers: Layers, equations: Equations, through: Float[np.ndarray, "feature"], rng: np.random.Generator
) -> Float[np.ndarray, "point feature"]:
    """Points of a zero set through a given one, far and wide where the equations hold, by halving between its sides."""
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
    """A neuron as a function of the layer below, whose signs are open: a of length 1, the shortest v, c, and its trail."""

    fold: Float[np.ndarray, "neuron"]
    slope: Float[np.ndarray, "neuron"]
    offset: float
    free: Bool[np.ndarray, "neuron"]  # below, never crossed by the zero set, so that a and v cannot be told apart
    trail: Trail

    def heights(self, layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point"]:
        """Its pre-activation."""
        below = heights(layers, x)[:, last(layers)]
        return np.abs(below) @ self.fold + below @ self.slope + self.offset

    def distance(self, layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point"]:
        """How far points are from its zero set, were it flat."""
        normal = blocks(layers, heights(layers, x) > 0, x.shape[1]) @ np.concatenate([self.fold, self.slope])
        return np.abs(self.heights(layers, x)) / np.maximum(np.linalg.norm(normal, axis=1), np.finfo(float).tiny)


def signature(layers: Layers, trail: Trail) -> Signature | None:
    """Solve the equations of a trail; None where they contradict each other, or leave no weight other than 0."""
    matrix, target = np.concatenate(blocks(layers, trail.on, trail.x.shape[1])), trail.normal.ravel()
    solution, basis = _shortest(matrix, target)
    fold, slope = np.split(solution, 2)
    scale = float(np.linalg.norm(fold))
    if not scale > 0 or np.abs(matrix @ solution - target).max() > AGREES * np.abs(target).max():
        return None
    value = heights(layers, trail.x)[:, last(layers)]
    offset = -(np.abs(value) @ fold + value @ slope)
    if np.ptp(offset) > AGREES * scale:
        return None
    free = ((basis**2).sum(axis=0) < 1 - 1e-6)[: len(fold)]
    trail = trail._replace(normal=trail.normal / scale)
    return Signature(fold / scale, slope / scale, float(np.median(offset)) / scale, free, trail)

"""What a neuron's zero set tells of its weights, and all of a layer's together of the signs of the layer below.

With the pre-activations z_i of the layer below known up to scale and sign, relu(s z) = (|z| + s z) / 2 for s = +-1
gives a neuron of the next layer as

    z(x) = sum_i a_i |z_i(x)| + v_i z_i(x) + c,    v_i = s_i a_i,

linear in (a, v, c). In a cell of the known layers, with side_i the sign of z_i, its normal there is

    n = sum_i (a_i side_i + v_i) grad z_i,

which is linear in (a, v) too: every cell that its zero set is followed into gives as many equations as there are
features, all at one common scale. No partial signatures have to be merged (Carlini, Jagielski, Mironov 2020, section
4.3), and nothing asks that the layer below be contractive. Once a is known, n - sum_i a_i side_i grad z_i =
sum_i s_i a_i grad z_i is linear in the signs: all neurons together are one overdetermined least squares for them, even
where the layer is wider than what feeds it, so that one region alone would leave them open (there Canales-Martinez et
al. 2024, "Polynomial time cryptanalytic extraction of neural network models", wiggle neurons one at a time). No
queries, no trial of 2^h patterns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.cells import Affine, Layers, affine, heights, last, last_heights
from jaxattack.attacks.extraction.relu.intervals import FLAT
from jaxattack.attacks.search.bisect import along, bisect

RANK = 1e-8
"""Singular values below this share of the largest count as none. A tenth and ten times 26, the same."""

AGREES = 1e-6
"""How far what two places say of one neuron may be apart, as a share: of the largest normal, of the fold, of a point's length.

Of 35 networks of two and three hidden layers 33 are complete; with a tenth 32, 1.02, with ten times 32, .99.
"""

SPREAD, DRAWN = np.array([1.0, 2.0, 4.0]), 600
"""How far points lie between which zero sets are sought, and how many.

Of 18 networks 15 with a spread of 1 alone; half and double of it 18, 1.05, 1.04. Twice as many points ask 5% less of 38 small ones,
and of three 40-20-10-10-1 none is stolen, not two.
"""


class Trail(NamedTuple):
    """Cells that zero sets run through: what is on there, their normals, of one neuron at one scale, and points of them."""

    on: Bool[np.ndarray, "cell neuron"]
    normal: Float[np.ndarray, "cell feature"]
    x: Float[np.ndarray, "cell feature"]

    def below(self, layers: Layers) -> tuple[Affine, Float[np.ndarray, "cell neuron"]]:
        """The last known layer in these cells, and the side of each of its neurons."""
        maps, here = affine(layers, self.on), last(layers)
        return Affine(maps.gradient[:, here], maps.offset[:, here]), side_of(self.on[:, here])


def side_of(on: Bool[np.ndarray, "cell neuron"]) -> Float[np.ndarray, "cell neuron"]:
    """1 where on, -1 where off."""
    return np.where(on, 1.0, -1.0)


def blocks(layers: Layers, on: Bool[np.ndarray, "cell neuron"]) -> Float[np.ndarray, "cell feature 2*neuron"]:
    """The equations for (a, v) of the cells in which ``on`` are on."""
    gradient, side = affine(layers, on).gradient[:, last(layers)], side_of(on[:, last(layers)])
    return np.concatenate([gradient * side[:, :, None], gradient], axis=1).swapaxes(1, 2)


def blocks_at(layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point feature 2*neuron"]:
    """Those of the cells that points lie in."""
    return blocks(layers, heights(layers, x) > 0)


def height(
    layers: Layers, solution: Float[np.ndarray, "2*neuron"], x: Float[np.ndarray, "point feature"]
) -> Float[np.ndarray, "point"]:
    """z(x) - c."""
    (fold, slope), below = np.split(solution, 2), last_heights(layers, x)
    return np.abs(below) @ fold + below @ slope


class Equations:
    """The equations of one neuron so far, compressed to a triangle as they come: their shortest solution, and a basis of what they determine."""

    solution: Float[np.ndarray, "2*neuron"]
    basis: Float[np.ndarray, "rank 2*neuron"]

    def __init__(self, width: int) -> None:
        self._triangle = np.zeros((0, 2 * width + 1))

    def add(self, block: Float[np.ndarray, "equation 2*neuron"], normal: Float[np.ndarray, "equation"]) -> None:
        """Take in the equations of one more cell, or several."""
        rows = np.concatenate([self._triangle, np.column_stack([block, normal])])
        self._triangle = np.asarray(np.linalg.qr(rows, mode="r"))
        left, size, right = np.linalg.svd(self._triangle[:, :-1], full_matrices=False)
        rank = int((size > RANK * size[0]).sum())
        self.basis = right[:rank]
        self.solution = self.basis.T @ ((left[:, :rank].T @ self._triangle[:, -1]) / size[:rank])

    def determines(self, blocks: Float[np.ndarray, "cell feature 2*neuron"]) -> Bool[np.ndarray, "cell"]:
        """In which cells the normal follows from what is known."""
        off = blocks - (blocks @ self.basis.T) @ self.basis
        size = np.abs(blocks).max(axis=(1, 2), initial=0)
        return (np.abs(off).max(axis=(1, 2), initial=0) < AGREES * size) & (size > 0)


def zero_points(
    layers: Layers, equations: Equations, through: Float[np.ndarray, "feature"], rng: np.random.Generator
) -> Float[np.ndarray, "point feature"]:
    """Points of a zero set through a given one, far and wide where the equations hold, by halving between its sides."""

    def level(x: np.ndarray) -> Float[np.ndarray, "point"]:
        return height(layers, equations.solution, x)

    x = rng.choice(SPREAD, size=(DRAWN, 1)) * rng.normal(size=(DRAWN, len(through)))
    x = x[equations.determines(blocks_at(layers, x))]
    zero = level(through[None])[0]
    above = level(x) > zero
    count = min(above.sum(), (~above).sum())
    low, high = x[~above][:count], x[above][:count]
    below = np.zeros(count, int)
    x = along(low, high, bisect(lambda x: (level(x) > zero).astype(int), low, high, below, 52, label=below + 1).high)
    return x[equations.determines(blocks_at(layers, x))]


class Signature(NamedTuple):
    """A neuron as a function of the layer below, whose signs are open: (a, v), a of length 1 and v the shortest."""

    solution: Float[np.ndarray, "2*neuron"]
    offset: float  # c
    free: Bool[np.ndarray, "neuron"]  # below, never crossed by the zero set, so that a and v cannot be told apart
    trail: Trail
    equations: Equations  # of (a, v) times some scale

    @property
    def fold(self) -> Float[np.ndarray, "neuron"]:
        """The weights a."""
        return self.solution[: len(self.free)]

    def distance(self, layers: Layers, x: Float[np.ndarray, "point feature"]) -> Float[np.ndarray, "point"]:
        """How far points are from its zero set, were it flat."""
        normal = blocks_at(layers, x) @ self.solution
        off = np.abs(height(layers, self.solution, x) + self.offset)
        return off / np.maximum(np.linalg.norm(normal, axis=1), FLAT)


def signature(layers: Layers, trail: Trail) -> Signature | None:
    """Solve the equations of a trail; None where they contradict each other, or leave no weight other than 0."""
    matrix, target, width = np.concatenate(blocks(layers, trail.on)), trail.normal.ravel(), len(layers[-1].bias)
    equations = Equations(width)
    equations.add(matrix, target)
    solution = equations.solution
    scale = float(np.linalg.norm(solution[:width]))
    if not scale > 0 or np.abs(matrix @ solution - target).max() > AGREES * np.abs(target).max():
        return None
    offset = -height(layers, solution, trail.x)
    if np.ptp(offset) > AGREES * scale:
        return None
    free = ((equations.basis**2).sum(axis=0) < 1 - AGREES)[:width]
    trail = trail._replace(normal=trail.normal / scale)
    return Signature(solution / scale, float(np.median(offset)) / scale, free, trail, equations)


def signs(layers: Layers, signatures: list[Signature]) -> Float[np.ndarray, "neuron"]:
    """1 or -1 for every neuron of the last known layer, from neurons of the next one."""
    width = len(layers[-1].bias)
    open_ = sum(int(one.free.sum()) for one in signatures)
    matrices, targets, column, places = [], [], width, []
    for one in signatures:
        below, side = one.trail.below(layers)
        gradient, met = below.gradient.swapaxes(1, 2), ~one.free
        contribution = gradient[:, :, met] @ (side * one.fold)[:, met, None]
        matrix = np.zeros((*gradient.shape[:2], width + open_))
        matrix[:, :, np.flatnonzero(met)] = gradient[:, :, met] * one.fold[met]
        # Where the fold could not be told from the slope, their sum takes a column of its own.
        matrix[:, :, column : column + one.free.sum()] = gradient[:, :, one.free]
        places += [(i, side[0, i], column + k) for k, i in enumerate(np.flatnonzero(one.free))]
        column += int(one.free.sum())
        matrices.append(matrix.reshape(-1, width + open_))
        targets.append((one.trail.normal - contribution[:, :, 0]).ravel())
    # 1e-10: a tenth and ten times, here and below, 26, the same.
    solution = np.linalg.lstsq(np.concatenate(matrices), np.concatenate(targets), rcond=1e-10)[0]
    for i in np.flatnonzero(np.all([one.free for one in signatures], axis=0)):
        # Never crossed, so either on throughout, and then it matters to some neuron above, or off throughout.
        matters = [at for neuron, at, column in places if neuron == i and abs(solution[column]) > AGREES]
        idle = [-at for neuron, at, column in places if neuron == i]
        solution[i] = (matters or idle)[0]
    return np.where(solution[:width] >= 0, 1.0, -1.0)


def weights(
    layers: Layers, trail: Trail, sign: Float[np.ndarray, "neuron"]
) -> tuple[Float[np.ndarray, "neuron"], float]:
    """Weights of length 1 and bias of the neuron that a trail follows over a layer that takes these signs.

    Its normal is sum_i w_i on_i s_i grad z_i. Of neurons below that were never on the weights are left 0.
    """
    below, side = trail.below(layers)
    on = sign * (sign * side > 0)
    matrix = (below.gradient * on[:, :, None]).swapaxes(1, 2).reshape(-1, side.shape[1])
    solution = np.linalg.lstsq(matrix, trail.normal.ravel(), rcond=1e-10)[0]
    bias = -np.median((below.heights(trail.x) * on) @ solution)
    scale = np.linalg.norm(solution)
    return solution / scale, float(bias / scale)

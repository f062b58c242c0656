"""The neurons of a hidden layer as far as kinks show them, and which kink of a line belongs to which.

A function with kinks on hyperplanes is, with unit normals n_k,

    f(x) = sum_k jump_k relu(n_k . x + offset_k) + an affine function,

whichever way each normal points: relu(z) and relu(-z) differ by the affine z. So a neuron is known here up to its
sign, which `orientation` decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.critical_points import Kinks
from jaxattack.attacks.extraction.relu.intervals import Line
from jaxattack.attacks.extraction.relu.rows import join, take


class Neurons(NamedTuple):
    """Neurons up to their signs, each with a critical point, and on how many lines it was met where it was predicted."""

    x: Float[np.ndarray, "neuron feature"]
    normal: Float[np.ndarray, "neuron feature"]  # of length 1, each component known to within the error
    offset: Float[np.ndarray, "neuron"]
    jump: Float[np.ndarray, "neuron output"]  # of the gradient along the normal
    error: Float[np.ndarray, "neuron"]
    hits: Int[np.ndarray, "neuron"]

    @classmethod
    def none(cls, features: int, outputs: int) -> Neurons:
        """No neurons yet."""
        empty = np.zeros((0, features))
        return cls(empty, empty, np.zeros(0), np.zeros((0, outputs)), np.zeros(0), np.zeros(0, int))

    def join(self, other: Neurons) -> Neurons:
        """These and others; of two that are the same hyperplane, the better known one."""
        union = join(self, other)
        plane = np.column_stack([union.normal, union.offset])
        plane /= np.linalg.norm(plane, axis=1)[:, None]
        # 1e-7: the root of what rounding does to a cosine of 1; a tenth and ten times 72, the same. 4: half 72, 1.00; double 70, 1.01.
        allowed = union.error[:, None] + union.error
        same = np.sqrt(np.maximum(2 - 2 * np.abs(plane @ plane.T), 0)) <= 1e-7 + 4 * allowed * np.sqrt(plane.shape[1])
        rank = np.argsort(np.argsort(union.error, kind="stable"))
        return take(union, ~(same & (rank[:, None] > rank)).any(axis=1))


def predict(neurons: Neurons, line: Line) -> tuple[Float[np.ndarray, "neuron"], Float[np.ndarray, "neuron"]]:
    """Where a line crosses each neuron's hyperplane, and the height's slope there."""
    speed = neurons.normal @ line.direction
    speed = np.where(speed == 0, np.finfo(float).tiny, speed)
    return -(neurons.normal @ line.origin + neurons.offset) / speed, speed


def meet(
    neurons: Neurons, kinks: Kinks, *, steady: bool
) -> tuple[Int[np.ndarray, "neuron"], Bool[np.ndarray, "neuron"]]:
    """Which of a line's kinks is each neuron's, or -1, and which are expected: inside its resolved part, with a jump that is large enough.

    Neurons that are ``steady`` jump alike everywhere, by which coarse answers tell them apart.
    """
    (position, speed), scale = predict(neurons, kinks.line), kinks.precision.scale
    bend = kinks.precision.noise.smallest_bend
    size = np.linalg.norm(kinks.line.origin) + np.abs(position) * np.linalg.norm(kinks.line.direction)
    slack = 4 * neurons.error * size / np.abs(speed)
    met = np.full(len(position), -1)
    if len(kinks.position) and len(position):
        apart = np.abs(kinks.position - position[:, None])
        # 4 errors: half and double of either 72, 1.00.
        near = apart <= slack[:, None] + 4 * kinks.error
        if steady:  # half and double of .05 and of 16, here and below, 72, 1.00
            turn = np.abs(kinks.jump[None] - (np.abs(speed)[:, None] * neurons.jump)[:, None]) / scale
            near &= turn.max(axis=2) <= 0.05 * np.abs(kinks.jump / scale).max(axis=1) + 16 * bend
        met = np.where(near.any(axis=1), np.where(near, apart, np.inf).argmin(axis=1), -1)
    turned = (np.abs(speed)[:, None] * np.abs(neurons.jump) / scale).max(axis=1)
    inside = (position - slack > kinks.end[0]) & (position + slack < kinks.end[1]) & (turned > 16 * bend)
    low, high = kinks.unresolved.T
    hidden = (position[:, None] + slack[:, None] >= low) & (position[:, None] - slack[:, None] <= high)
    return met, inside & ~hidden.any(axis=1)

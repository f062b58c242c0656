"""A two-layer network before its neurons have signs, and how they get them.

    f(x) = sum_k jump_k relu(n_k . x + offset_k) + slope x + constant

is the function itself, exactly. A neuron whose true pre-activation points against n_k contributes
jump_k relu(-z_k) = jump_k relu(z_k) - jump_k z_k, so that

    slope = - sum over the turned neurons of jump_k n_k^T,

outputs times features equations for the turned neurons, unknowns that are 0 or 1. Least squares, rounded, finds them
where there are at least as many equations as neurons. With fewer the same is an integer program, and a random one has
one solution, the true one, long before its relaxation to 0..1 has (Mangasarian and Recht 2011, "Probability of unique
integer solution to a system of linear equations"). Branch and bound finds it up to about three neurons an equation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import milp

from jaxattack.attacks.extraction.relu.gradients import Regions
from jaxattack.attacks.extraction.relu.network import ReluNetwork
from jaxattack.attacks.extraction.relu.neurons import Neurons
from jaxattack.attacks.extraction.relu.noise import Noise

HEIGHT, RIDGE = 2.0, 0.05
"""Heights of scattered inputs, and what keeps parallel neurons apart. Half of either 72, 1.00; double 72, 1.01 and 1.00."""

WHOLE = 0.1
"""How far from 0 or 1 a sign may come out. Half and double 72, the same."""

NODES, TOLD = 5000, 0.6
"""After how many nodes an integer program is given up; and how many signs a bit of an equation can tell at all.

Double of the first, half and double of the second 72, the same.
"""


class PiecewiseLinear(NamedTuple):
    """The function of the module's formula."""

    normal: Float[np.ndarray, "neuron feature"]
    offset: Float[np.ndarray, "neuron"]
    jump: Float[np.ndarray, "neuron output"]
    slope: Float[np.ndarray, "output feature"]
    constant: Float[np.ndarray, "output"]

    def heights(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query neuron"]:
        """n_k . x + offset_k."""
        return x @ self.normal.T + self.offset

    def __call__(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query output"]:
        """The function."""
        return np.maximum(self.heights(x), 0) @ self.jump + x @ self.slope.T + self.constant


def scatter(
    function: PiecewiseLinear, count: int, rng: np.random.Generator, *, scale: float = 1.0
) -> Float[np.ndarray, "point feature"]:
    """Random inputs at which every neuron, however large its offset, is on for half and off for half.

    Each is the nearest input to a normal one that has wanted heights of +-`HEIGHT`, as nearly as neurons that are
    close to parallel allow (ridge regression); ``scale`` is that of normal inputs and of heights.
    """
    x = scale * rng.standard_normal((count, function.normal.shape[1]))
    height = scale * HEIGHT * rng.choice([-1.0, 1.0], (count, len(function.offset)))
    gram = function.normal @ function.normal.T + RIDGE * np.eye(len(function.offset))
    return x + np.linalg.solve(gram, (height - function.heights(x)).T).T @ function.normal


def piecewise_linear(neurons: Neurons, regions: Regions) -> PiecewiseLinear:
    """The function of the neurons, its affine part read off the region where that is known best."""
    best, (outputs, features) = regions.error.max(axis=1).argmin(), regions.gradient.shape[1:]
    rough = PiecewiseLinear(
        neurons.normal, neurons.offset, neurons.jump, np.zeros((outputs, features)), np.zeros(outputs)
    )
    on = rough.heights(regions.x[[best]])[0] > 0
    rough = rough._replace(slope=regions.gradient[best] - (neurons.jump * on[:, None]).T @ neurons.normal)
    return rough._replace(constant=np.median(regions.value - rough(regions.x), axis=0))


def signed(function: PiecewiseLinear, noise: Noise) -> tuple[ReluNetwork, str]:
    """The network, and what is wrong with it."""
    against = orientation(function, noise)
    if against is not None:
        return with_signs(function, against), ""
    network, neurons = with_affine_neurons(function), len(function.offset)
    return network, (
        f"the signs of {neurons} neurons do not follow from {function.slope.size} equations: the function is stolen, "
        f"with its affine part as {network.sizes[1] - neurons} neurons more."
    )


def orientation(function: PiecewiseLinear, noise: Noise) -> Bool[np.ndarray, "neuron"] | None:
    """Which neurons point against their normals; None where the equations do not tell."""
    # Outputs of different size weigh the same.
    size = np.maximum(np.abs(function.jump).max(axis=0), np.finfo(float).tiny)
    jump, slope = function.jump / size, function.slope / size[:, None]
    columns = (jump[:, :, None] * function.normal[:, None, :]).reshape(len(jump), -1).T
    equations, neurons = columns.shape
    if equations >= neurons:
        solution = np.linalg.lstsq(columns, -slope.ravel(), rcond=None)[0]
        if np.abs(solution - (solution > 0.5)).max(initial=0.0) <= WHOLE:
            return solution > 0.5
    close = noise.relative**0.375  # the powers 1/4 and 1/2 72, the same
    if neurons > -np.log2(close) * TOLD * equations:
        return None
    solution = milp(
        np.zeros(neurons),
        constraints=(columns, -slope.ravel() - close, close - slope.ravel()),
        integrality=np.ones(neurons),
        bounds=(0, 1),
        options={"node_limit": NODES},
    )
    return None if solution.x is None else solution.x > 0.5


def with_signs(function: PiecewiseLinear, against: Bool[np.ndarray, "neuron"]) -> ReluNetwork:
    """The network in which the given neurons point against their normals."""
    sign = np.where(against, -1.0, 1.0)
    constant = function.constant + function.offset[against] @ function.jump[against]
    return ReluNetwork((function.normal * sign[:, None], function.jump.T.copy()), (function.offset * sign, constant))


def with_affine_neurons(function: PiecewiseLinear) -> ReluNetwork:
    """The same function with its affine part as further neurons: a pair for every independent row of the slope."""
    left, size, right = np.linalg.svd(function.slope, full_matrices=False)
    # A tenth and ten times 72, the same.
    nonzero = size > size[0] * 1e-9
    rows, out = right[nonzero], left[:, nonzero] * size[nonzero]
    return ReluNetwork(
        (np.concatenate([function.normal, rows, -rows]), np.concatenate([function.jump.T, out, -out], axis=1)),
        (np.concatenate([function.offset, np.zeros(2 * len(rows))]), function.constant),
    )

"""A recovered two-layer network measured once more, where rounding hurts least.

Once the hyperplanes are known, points far from all of them are too, and along each feature the longest step that
crosses none. At P such points, with s_pk = 1 where neuron k is on, the measured gradients are

    G_p = sum_k s_pk jump_k n_k^T + slope,

linear in the products jump_k n_k^T: one least squares over all p solves them together, and one more gives the offsets
from the values. One output takes P above the number of neurons. With several the jumps are measured first, as the
change of slope along a normal, at four points a neuron; then a point holds as many equations for the normals as there
are outputs, and P may be that many times smaller. Carlini, Jagielski and Mironov 2020 refine by finding d + 1 points of
every hyperplane by line search instead.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import qr

from jaxattack.attacks.extraction.relu.gradients import differences
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.piecewise_linear import PiecewiseLinear, scatter
from jaxattack.attacks.search.lockstep import Search

SPARE = 4
"""Points more than unknowns. Half 72, .96; double 72, 1.07."""

CANDIDATES = 64
"""Points drawn for every one that is used. Half and double 72, at the same queries."""


def refine(function: PiecewiseLinear, noise: Noise, rng: np.random.Generator) -> Search[PiecewiseLinear | None]:
    """Measure gradients at well chosen points and solve for the function again.

    None where answers are not finite, as those of confidences near 0 are.
    """
    x = points(function, rng)
    on = function.heights(x) > 0
    outputs = len(function.constant)
    steps = np.stack([longest_steps(function, point) for point in x])
    value, gradient = yield from differences(x, steps, noise)
    if not (np.isfinite(value).all() and np.isfinite(gradient).all()):
        return None
    if outputs > 1:
        beside = astride(function, rng)
        values = yield beside.reshape(-1, x.shape[1])
        with np.errstate(invalid="ignore"):
            jump = _jumps(function, beside, values.reshape(*beside.shape[:2], outputs))
        if not np.isfinite(jump).all():
            return None
        function = function._replace(jump=jump)
        x, value = np.concatenate([x, beside.reshape(-1, x.shape[1])]), np.concatenate([value, values])
    return _solve(function, gradient, on, x, value)


def points(function: PiecewiseLinear, rng: np.random.Generator) -> Float[np.ndarray, "point feature"]:
    """Points far from every hyperplane, whose patterns of neurons that are on are as independent as can be."""
    neurons, outputs = function.jump.shape
    count = -(-(neurons + outputs) // outputs) + SPARE
    # On the two sides of one hyperplane the patterns differ in that neuron alone: no neuron goes without.
    sides = astride(function, rng)[:, [0, 3]].reshape(-1, function.normal.shape[1])
    candidates = np.concatenate([scatter(function, CANDIDATES * count, rng), sides])
    height = function.heights(candidates)
    room = np.abs(height).min(axis=1)
    pattern = np.column_stack([height > 0, np.ones(len(candidates))])
    order = qr((room[:, None] * pattern).T, mode="r", pivoting=True)[-1]
    return candidates[order[:count]]


def longest_steps(function: PiecewiseLinear, point: Float[np.ndarray, "feature"]) -> Float[np.ndarray, "feature"]:
    """Along each feature half of the way to the nearest hyperplane, on the side where it is farther.

    No step is longer than the point is from the origin.
    """
    height = function.heights(point[None])[0]
    with np.errstate(divide="ignore"):
        way = -height[:, None] / function.normal
    ahead = np.where(way > 0, way, np.inf).min(axis=0)
    behind = np.where(way < 0, -way, np.inf).min(axis=0)
    length = np.minimum(np.maximum(ahead, behind) / 2, np.linalg.norm(point))
    return np.where(ahead >= behind, length, -length)


def astride(function: PiecewiseLinear, rng: np.random.Generator) -> Float[np.ndarray, "neuron 4 feature"]:
    """Four points a neuron, on a line along its normal: two on either side of its hyperplane and of no other."""
    neurons, features = function.normal.shape
    candidates = scatter(function, CANDIDATES, rng)
    height, cosine = function.heights(candidates), function.normal @ function.normal.T
    probes = np.empty((neurons, 4, features))
    for k in range(neurons):
        foot = candidates - height[:, k : k + 1] * function.normal[k]
        others = np.delete(height - height[:, k : k + 1] * cosine[k], k, axis=1)
        room = np.abs(others / np.delete(cosine[k], k)).min(axis=1, initial=np.inf)
        best = room.argmax()
        width = min(room[best], np.linalg.norm(foot[best])) / 2
        # A slope over .9 of the way to the hyperplane loses log2(1 / .9) = .15 bits of one over all of it. Half and double of the .1 72, at the same queries.
        probes[k] = foot[best] + np.outer([-1, -0.1, 0.1, 1], width * function.normal[k])
    return probes


def _jumps(
    function: PiecewiseLinear, x: Float[np.ndarray, "neuron 4 feature"], y: Float[np.ndarray, "neuron 4 output"]
) -> Float[np.ndarray, "neuron output"]:
    """The slope after less the slope before, along each normal."""
    t = ((x - x[:, :1]) * function.normal[:, None]).sum(axis=2)[:, :, None]
    return (y[:, 3] - y[:, 2]) / (t[:, 3] - t[:, 2]) - (y[:, 1] - y[:, 0]) / (t[:, 1] - t[:, 0])


def _solve(
    function: PiecewiseLinear, gradient: np.ndarray, on: np.ndarray, x: np.ndarray, value: np.ndarray
) -> PiecewiseLinear:
    """Products of jump and normal, and the slope, from the gradients; then those of jump and offset from the values."""
    size = np.abs(function.jump).max(axis=0)
    system, target = _system(on, function.jump / size), (gradient / size[:, None]).reshape(-1, gradient.shape[2])
    solution, neurons = np.linalg.lstsq(system, target, rcond=None)[0], len(function.offset)
    function = function._replace(normal=solution[:neurons], slope=solution[neurons:] * size[:, None])
    system, rest = _system(function.heights(x) > 0, function.jump / size), (value - function(x)) / size
    solution = np.linalg.lstsq(system, rest.ravel(), rcond=None)[0]
    length = np.linalg.norm(function.normal, axis=1)
    return PiecewiseLinear(
        function.normal / length[:, None],
        (function.offset + solution[:neurons]) / length,
        function.jump * length[:, None],
        function.slope,
        function.constant + solution[neurons:] * size,
    )


def _system(
    on: Bool[np.ndarray, "point neuron"], jump: Float[np.ndarray, "neuron output"]
) -> Float[np.ndarray, "equation unknown"]:
    """Equations of all points and outputs for one number a neuron and one an output."""
    neurons, outputs = jump.shape
    own = (on[:, None, :] * jump.T).reshape(-1, neurons)
    return np.concatenate([own, np.tile(np.eye(outputs), (len(on), 1))], axis=1)

"""Following one neuron's zero set from cell to cell of the known layers, many neurons at once.

The zero set is flat within a cell and bends only where it meets the zero set of a known neuron, whose gradient nu is
known there: across it the normal n becomes n + alpha nu, with one unknown number alpha. So a crossing takes no
gradient. With x the point where the neighbouring cell is entered, t the direction of travel and m the part of n
orthogonal to nu, the victim bends along x + delta t + r m and along x + (delta/2) t + r m where the zero set goes on;
the step between these two bends lies in it, which gives alpha. Four queries place the first bend, three the second,
which has to lie half as far from x as the first: a bend of another neuron does not.

Where the equations gathered so far already determine the normal of the next cell it is entered without asking
anything, so that a walk costs little more than one crossing for each neuron of the last known layer. A walk that finds
nothing new for long is put down elsewhere on the zero set, where the equations hold, near a hyperplane still missing.
It ends well once it has crossed all neurons of the last known layer, and also where it cannot find a way to some of
them. It dies where the victim does not bend as it should: the neuron was of a deeper layer, or hidden by dead ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.cells import Layers, affine_at, heights, last
from jaxattack.attacks.extraction.relu.next_crossing import Step, plan
from jaxattack.attacks.extraction.relu.rows import join, take
from jaxattack.attacks.extraction.relu.search import kink_share
from jaxattack.attacks.extraction.relu.signature import Equations, Trail, blocks, blocks_at, zero_points
from jaxattack.attacks.search.lockstep import Search

Evaluate = Callable[[Float[np.ndarray, "query feature"]], Float[np.ndarray, "query"]]

WINDOW = 0.02
"""Half the length of the lines on which a bend is looked for, at most."""
TRIES = 7
PATIENCE = 150
ASTRAY = 30
"""After how many steps without anything new a walk is put down elsewhere. Half 7, 1.00; double 7, 1.00; never 7, 1.00."""


class Walk(NamedTuple):
    """A walk that ended: where it measured, what that says of the neuron, and whether it ended well."""

    trail: Trail
    equations: Equations
    alive: bool


class Walkers:
    """Where all walks are, an array's first axis: a point and a normal of the zero set, and the cell."""

    def __init__(self, layers: Layers, x: np.ndarray, normal: np.ndarray) -> None:
        walks, width = len(x), len(layers[-1].bias)
        self.at = Trail(heights(layers, x) > 0, normal / np.linalg.norm(normal, axis=1, keepdims=True), x.copy())
        self.met = np.zeros((walks, width), bool)  # the neurons of the last known layer that were crossed
        # Failures since the last success, steps since something new was learnt.
        self.tries, self.stall = np.zeros((2, walks), int)
        # How many times longer than delta the window is, and how much smaller than it might be.
        self.lean, self.shrink = np.empty((2, walks))
        self.equations = [Equations(width) for _ in range(walks)]
        self.trails: list[list[Trail]] = [[] for _ in range(walks)]
        self.note(layers, np.arange(walks))

    @property
    def going(self) -> Int[np.ndarray, "going"]:
        """The walks that are not over."""
        return np.flatnonzero(~self.met.all(axis=1) & (self.tries < TRIES) & (self.stall < PATIENCE))

    def note(self, layers: Layers, walks: Int[np.ndarray, "chosen"]) -> None:
        """Take in what was measured where these walks are."""
        for block, walk in zip(blocks(layers, self.at.on[walks]), walks, strict=True):
            self.equations[walk].add(block, self.at.normal[walk])
            self.trails[walk].append(take(self.at, np.array([walk])))
        self.tries[walks], self.stall[walks], self.lean[walks], self.shrink[walks] = 0, 0, 8.0, 1.0


def follow(
    evaluate: Evaluate, layers: Layers, x: np.ndarray, normal: np.ndarray, rng: np.random.Generator
) -> list[Walk]:
    """Follow the zero sets through critical points until they have met all neurons of the last known layer.

    The victim is asked twice a step, for all walks together. Points and normals are Float["walk feature"].
    """
    walkers = Walkers(layers, x, normal)
    while len(going := walkers.going):
        _put_down(walkers, layers, going[(walkers.stall[going] % ASTRAY == ASTRAY - 1)], rng)
        restless = (walkers.tries + np.minimum(walkers.stall / 8, 6))[going]
        step = plan(layers, take(walkers.at, going), walkers.met[going], restless, rng)
        walkers.stall[going] += 1
        walkers.tries[going[~step.possible]] += 1
        going, step = going[step.possible], take(step, step.possible)
        free = _enter_by_equations(walkers, layers, going, step)
        if not free.all():
            _cross(evaluate, walkers, layers, going[~free], take(step, ~free))
    trails, alive = (join(*rows) for rows in walkers.trails), (walkers.tries < TRIES).tolist()
    return [Walk(*walk) for walk in zip(trails, walkers.equations, alive, strict=True)]


def _enter_by_equations(walkers: Walkers, layers: Layers, going: np.ndarray, step: Step) -> Bool[np.ndarray, "going"]:
    """Enter the cells whose normals follow from the equations; asks nothing."""
    mask = np.zeros(len(going), bool)
    for k, block in enumerate(blocks(layers, step.on)):
        walk, equations = going[k], walkers.equations[going[k]]
        normal = block @ equations.solution
        if walkers.tries[walk] == 0 and equations.determines(block[None])[0] and np.abs(normal).max() > 1e-9:
            walkers.at.x[walk], walkers.at.normal[walk], walkers.at.on[walk] = step.x[k], normal, step.on[k]
            mask[k] = True
    return mask


def _cross(evaluate: Evaluate, walkers: Walkers, layers: Layers, going: np.ndarray, step: Step) -> None:
    """Measure how each zero set goes on behind its crossing."""
    at = walkers.at
    normal = at.normal[going]
    sideways = normal - (normal * step.across).sum(axis=1, keepdims=True) * step.across
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
    half = np.minimum(0.6 * step.room, WINDOW) * walkers.shrink[going]
    delta = half / walkers.lean[going]
    base = step.x + delta[:, None] * step.direction
    r = half[:, None] * np.array([-1.0, -0.7, 0.7, 1.0])
    y = _along(evaluate, base, sideways, r)
    left, right = ((y[:, k + 1] - y[:, k]) / (0.3 * half) for k in (0, 2))
    noise = 4e-15 * (1 + np.abs(y).max(axis=1) + np.linalg.norm(base, axis=1))
    bends = np.abs(right - left) > 1e3 * noise / half
    where = np.where(bends, _meet(y[:, 1], left, r[:, 1], y[:, 2], right, r[:, 2]), np.inf)
    inside = np.abs(where) < 0.7 * half
    second = np.full(len(going), np.nan)
    if inside.any():
        near = step.x[inside] + 0.5 * delta[inside, None] * step.direction[inside]
        expected, reach = where[inside] / 2, 0.1 * half[inside]
        second[inside] = _confirm(evaluate, near, sideways[inside], expected, reach, left[inside], right[inside])
    good = np.isfinite(second)
    run = 0.5 * delta[good, None] * step.direction[good] + (where - second)[good, None] * sideways[good]
    alpha = -(normal[good] * run).sum(axis=1) / (step.across[good] * run).sum(axis=1)
    success, failure = going[good], going[~good]
    at.normal[success] = normal[good] + alpha[:, None] * step.across[good]
    at.x[success], at.on[success] = base[good] + where[good, None] * sideways[good], step.on[good]
    below = step.crossed[good] - last(layers).start
    walkers.met[success[below >= 0], below[below >= 0]] = True
    walkers.note(layers, success)
    walkers.tries[failure] += 1
    walkers.lean[failure[~bends[~good]]] *= 6
    walkers.shrink[failure[bends[~good]]] /= 6


def _along(evaluate: Evaluate, base: np.ndarray, direction: np.ndarray, r: np.ndarray) -> np.ndarray:
    points = base[:, None] + r[:, :, None] * direction[:, None]
    return evaluate(points.reshape(-1, base.shape[1])).reshape(r.shape)


def _meet(
    low: np.ndarray, left: np.ndarray, before: np.ndarray, high: np.ndarray, right: np.ndarray, after: np.ndarray
) -> np.ndarray:
    """Where the line through (before, low) of slope left meets that through (after, high) of slope right."""
    apart = np.where(left == right, np.inf, left - right)
    return (high - right * after - low + left * before) / apart


def _confirm(
    evaluate: Evaluate,
    base: np.ndarray,
    direction: np.ndarray,
    expected: np.ndarray,
    reach: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
) -> Float[np.ndarray, "line"]:
    """Where a bend of known slopes is that should be near ``expected``; NaN where it is not."""
    r = expected[:, None] + reach[:, None] * np.array([-1.0, 0.0, 1.0])
    y = _along(evaluate, base, direction, r)
    where = _meet(y[:, 0], left, r[:, 0], y[:, 2], right, r[:, 2])
    middle = np.where(r[:, 1] < where, y[:, 0] + left * reach, y[:, 2] - right * reach)
    holds = np.abs(y[:, 1] - middle) <= 1e-3 * np.abs(right - left) * reach
    return np.where(holds & (np.abs(where - expected) < 1e-2 * reach), where, np.nan)


def _put_down(walkers: Walkers, layers: Layers, walks: np.ndarray, rng: np.random.Generator) -> None:
    """Put walks down where the equations hold, on the point of some closest to a neuron still missing; asks nothing."""
    for walk in walks:
        at, equations = walkers.at, walkers.equations[walk]
        x = zero_points(layers, equations, at.x[walk], rng)
        if len(x):
            apart = affine_at(layers, x).distances(x)[:, last(layers)]
            x = x[[np.where(walkers.met[walk], np.inf, apart).min(axis=1).argmin()]]
            at.x[walk], at.on[walk] = x[0], heights(layers, x)[0] > 0
            at.normal[walk] = (blocks_at(layers, x) @ equations.solution)[0]


def bends(
    layers: Layers, x: Float[np.ndarray, "point feature"], normal: Float[np.ndarray, "point feature"]
) -> Search[float]:
    """The share of these points at which the victim bends along these directions; see `kink_share`."""
    apart = affine_at(layers, x).distances(x).min(axis=1)
    return kink_share(x, normal, np.minimum(0.3 * apart, 0.05 * WINDOW))

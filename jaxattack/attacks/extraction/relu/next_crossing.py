"""Which way a walk along a zero set goes next (`walk`): offline, from the known layers alone.

Candidates are the straight ways towards every neuron of the last known layer, and some drawn at random. Each ends where
it meets the first zero set of a known neuron. Ways are better that lead soon to a neuron still missing, that end with
room before the next zero set, where a bend can be placed well, and that do not graze what they cross.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.cells import Layers, affine, last
from jaxattack.attacks.extraction.relu.intervals import FLAT
from jaxattack.attacks.extraction.relu.search import NEAR
from jaxattack.attacks.extraction.relu.signature import Trail, side_of

DRAWN = 6
"""Directions at random. None 7, 1.69; half 7, 1.10; double 7, .99."""


class Step(NamedTuple):
    """A next crossing: the way to it along the zero set, the neuron that is met first, and where."""

    direction: Float[np.ndarray, "feature"]
    crossed: int
    x: Float[np.ndarray, "feature"]
    room: float  # how far the next known zero set is from there
    on: Bool[np.ndarray, "1 neuron"]  # the cell behind it
    across: Float[np.ndarray, "feature"]  # nu, of length 1


def plan(
    layers: Layers, at: Trail, met: Bool[np.ndarray, "below"], restless: float, rng: np.random.Generator
) -> Step | None:
    """Of some directions along a zero set, the best: few crossings before a neuron that is still missing; None where there is none.

    Args:
        layers: those known.
        at: one cell, where the walk is.
        met: the neurons of the last known layer that were crossed.
        restless: how much chance there is in it.
        rng: of directions and of chance.
    """
    (x,), (normal,), here, maps = at.x, at.normal, last(layers), affine(layers, at.on)
    gradient, value = maps.gradient[0], maps.heights(at.x)[0]
    direction = _directions(gradient[here], value[here], normal, restless, rng)
    slope = direction @ gradient.T
    away = np.where(slope * side_of(at.on) < 0, np.abs(value) / np.maximum(np.abs(slope), FLAT), np.inf)
    crossed, first, way = away.argmin(axis=1), away.min(axis=1), np.arange(len(away))
    reached = np.isfinite(first)
    end = x + np.where(reached, first, 0.0)[:, None] * direction
    behind = np.repeat(at.on, len(way), axis=0)
    behind[way, crossed] ^= True
    beyond = affine(layers, behind)
    apart, across = beyond.distances(end), beyond.gradient[way, crossed]
    apart[way, crossed] = np.inf
    room, across = apart.min(axis=1), _units(across)
    steep = np.abs((across * direction).sum(axis=1))
    own = 1 - (across @ normal / np.linalg.norm(normal)) ** 2
    far = np.linalg.norm(end, axis=1) > NEAR * np.sqrt(len(x))
    # Not where it stands, nor where it would graze, nor where both zero sets are all but one (sine .01). A tenth of all 26, 1.00; ten times .99.
    barred = ~reached | (first < 1e-9) | far | (steep < 1e-3) | (own < 1e-4)
    # Without the term of missing neurons 26 of 26, .97, and of 9 with three hidden layers 8, 1.16; of room or steepness 25, 1.01 and 1.02.
    # Half and double of all four weights 26, .98, 1.01; of both thresholds 26, 1.00, .98, the latter with 11 bits less of one.
    cost = _crossings(away, met, here) - 2 * np.append(np.zeros(here.start, bool), ~met)[crossed]
    cost += 1.5 * np.maximum(0, -np.log10(np.maximum(room, FLAT)) - 1.5)
    cost += 2 * np.maximum(0, -np.log10(np.maximum(steep, FLAT)) - 1)
    # Never restless, here and in `_directions`, 26, 1.00; without the .02 there either 26, 1.07.
    cost += 2 * restless * rng.random(len(cost))
    best = np.where(barred, np.inf, cost).argmin()
    step = Step(direction[best], int(crossed[best]), end[best], float(room[best]), behind[[best]], across[best])
    return None if barred.all() else step


def _directions(
    gradient: np.ndarray, value: np.ndarray, normal: np.ndarray, restless: float, rng: np.random.Generator
) -> Float[np.ndarray, "way feature"]:
    """Along a zero set: straight to every neuron of the last known layer, and some at random."""
    features = len(normal)
    ways = _units(np.concatenate([-np.sign(value)[:, None] * gradient, rng.normal(size=(DRAWN, features))]))
    # Half of .02 and .15 25, 1.15; double 26, .99. Half of the 4 26, 1.00; double .99.
    ways = ways + (0.02 + 0.15 * min(restless, 4)) / np.sqrt(features) * rng.normal(size=ways.shape)
    unit = normal / np.linalg.norm(normal)
    return _units(ways - np.outer(ways @ unit, unit))


def _units(ways: Float[np.ndarray, "way feature"]) -> Float[np.ndarray, "way feature"]:
    return ways / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), FLAT)


def _crossings(away: np.ndarray, met: np.ndarray, here: slice) -> Float[np.ndarray, "way"]:
    """How many zero sets lie before the neuron that each way leads to; much more where it was met already."""
    straight = away[: len(met)]
    # Half and double of the 100 and the 50 26, the same.
    count = (straight < straight[:, here].diagonal()[:, None]).sum(axis=1) + 100.0 * met
    return np.append(count, np.full(len(away) - len(met), 50.0 + len(met)))

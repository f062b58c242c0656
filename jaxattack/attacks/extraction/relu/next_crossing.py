"""Which way a walk along a zero set goes next (`walk`): offline, from the known layers alone.

Candidates are the straight ways towards every neuron of the last known layer, and some drawn at random. Each ends where
it meets the first zero set of a known neuron. Ways are better that soon lead to a neuron still missing, that end with
room before the next zero set, where a bend can be placed well, and that do not graze what they cross.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.cells import TINY, Layers, affine, last
from jaxattack.attacks.extraction.relu.search import NEAR
from jaxattack.attacks.extraction.relu.signature import Trail, side_of

DRAWN = 6
"""Directions at random. None 7, 1.69; half 7, 1.10; double 7, .99."""


class Step(NamedTuple):
    """The next crossing of each walk: the way to it along the zero set, the neuron that is met first, and where."""

    direction: Float[np.ndarray, "walk feature"]
    crossed: Int[np.ndarray, "walk"]
    x: Float[np.ndarray, "walk feature"]
    room: Float[np.ndarray, "walk"]  # how far the next known zero set is from there
    on: Bool[np.ndarray, "walk neuron"]  # the cell behind it
    across: Float[np.ndarray, "walk feature"]  # nu, of length 1
    possible: Bool[np.ndarray, "walk"]  # whether there is any way on


def plan(layers: Layers, at: Trail, met: np.ndarray, restless: np.ndarray, rng: np.random.Generator) -> Step:
    """Of some directions along each zero set, the best: few crossings before a neuron that is still missing.

    Bool["walk below"] ``met`` are the neurons of the last known layer that were crossed, Float["walk"] ``restless`` how
    much chance there is in it.
    """
    on, normal, x = at
    features, here, walk = x.shape[1], last(layers), np.arange(len(x))
    maps = affine(layers, on)
    value = maps.heights(x)
    direction = _directions(maps.gradient[:, here], value[:, here], normal, restless, rng)
    slope = np.einsum("wnf,wcf->wcn", maps.gradient, direction)
    toward = slope * side_of(on)[:, None] < 0
    away = np.where(toward, np.abs(value)[:, None] / np.maximum(np.abs(slope), TINY), np.inf)
    crossed = away.argmin(axis=2)
    first = np.take_along_axis(away, crossed[:, :, None], 2)[:, :, 0]
    reached = np.isfinite(first)
    end = x[:, None] + np.where(reached, first, 0.0)[:, :, None] * direction
    behind = np.repeat(on[:, None], direction.shape[1], axis=1)
    np.put_along_axis(behind, crossed[:, :, None], ~np.take_along_axis(behind, crossed[:, :, None], 2), 2)
    room, across, length = _surroundings(layers, behind, end, crossed)
    steep = np.abs((across * direction).sum(axis=2))
    own = 1 - ((across * normal[:, None]).sum(axis=2) / np.linalg.norm(normal, axis=1)[:, None]) ** 2
    far = np.linalg.norm(end, axis=2) > NEAR * np.sqrt(features)
    barred = ~reached | (first < 1e-9) | (length < 1e-12) | far | (steep < 1e-3) | (own < 1e-4)
    cost = _crossings(away, met, here)
    missing = np.concatenate([np.zeros((len(x), here.start), bool), ~met], axis=1)
    cost -= 2 * np.take_along_axis(missing, crossed, 1)
    cost += 1.5 * np.maximum(0, -np.log10(np.maximum(room, TINY)) - 1.5)
    cost += 2 * np.maximum(0, -np.log10(np.maximum(steep, TINY)) - 1)
    cost += 2 * restless[:, None] * rng.random(cost.shape)
    cost = np.where(barred, np.inf, cost)
    best = cost.argmin(axis=1)
    ways = (direction, crossed, end, room, behind, across, np.isfinite(cost))
    return Step(*(part[walk, best] for part in ways))


def _directions(
    gradient: np.ndarray, value: np.ndarray, normal: np.ndarray, restless: np.ndarray, rng: np.random.Generator
) -> Float[np.ndarray, "walk way feature"]:
    """Along each zero set: straight to every neuron of the last known layer, and some at random."""
    walks, _, features = gradient.shape
    ways = np.concatenate([-np.sign(value)[:, :, None] * gradient, rng.normal(size=(walks, DRAWN, features))], axis=1)
    ways = ways / np.maximum(np.linalg.norm(ways, axis=2, keepdims=True), TINY)
    stray = (0.02 + 0.15 * np.minimum(restless, 4))[:, None, None] / np.sqrt(features)
    ways = ways + stray * rng.normal(size=ways.shape)
    unit = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    ways = ways - (ways @ unit[:, :, None]) * unit[:, None]
    return ways / np.maximum(np.linalg.norm(ways, axis=2, keepdims=True), TINY)


def _surroundings(layers: Layers, behind: np.ndarray, at: np.ndarray, crossed: np.ndarray) -> tuple[np.ndarray, ...]:
    """Behind each crossing: how far the next zero set is, and unit normal and length of the gradient crossed."""
    walks, ways, features = at.shape
    maps = affine(layers, behind.reshape(walks * ways, -1))
    apart, neuron = maps.distances(at.reshape(-1, features)), crossed.reshape(-1, 1)
    np.put_along_axis(apart, neuron, np.inf, 1)
    across = np.take_along_axis(maps.gradient, neuron[:, :, None], 1).reshape(at.shape)
    length = np.linalg.norm(across, axis=2)
    return apart.min(axis=1).reshape(walks, ways), across / np.maximum(length, TINY)[:, :, None], length


def _crossings(away: np.ndarray, met: np.ndarray, here: slice) -> Float[np.ndarray, "walk way"]:
    """How many zero sets lie before the neuron that each way leads to; much more where it was met already."""
    width = here.stop - here.start
    goal = away[:, :width, here][:, np.arange(width), np.arange(width)]
    count = (away[:, :width] < goal[:, :, None]).sum(axis=2) + 100.0 * met
    return np.concatenate([count, np.full((len(away), away.shape[1] - width), 50.0 + width)], axis=1)

"""Following one neuron's zero set from cell to cell of the known layers.

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

import numpy as np

from jaxattack.attacks.extraction.relu.cells import Layers, affine_at, heights, last
from jaxattack.attacks.extraction.relu.next_crossing import Step, plan
from jaxattack.attacks.extraction.relu.rows import join
from jaxattack.attacks.extraction.relu.signature import Equations, Trail, blocks, blocks_at, zero_points
from jaxattack.attacks.search.lockstep import Search

WINDOW = 0.02
"""Half the length of the lines on which a bend is looked for, at most. Half 26, 1.06; double 26, 1.02."""
LEAN, CLOSER, TRIES = 8.0, 1 / 6, 7
"""How many deltas half of a line is, what a failure makes of both, and failures in a row at most.

Half 26, 1.02 for each; double 26, 26, 25, .98, .96, 1.02.
"""
PATIENCE = 150
"""Steps without anything new after which a walk ends. Of 35 networks 33 are complete, with half 32, .99, with double 34, 1.07."""
ASTRAY = 30
"""After how many steps without anything new a walk is put down elsewhere. Half 26, .94; double 26, .98.

Never: 48 of 49 networks up to 10-15-15-1, of which all are stolen with it, 1.03.
"""


def follow(layers: Layers, at: Trail, rng: np.random.Generator) -> Search[Trail | None]:
    """Follow a zero set from one cell until it has met all neurons of the last known layer: where it measured, or None where it died."""
    width = len(layers[-1].bias)
    equations, trail, met = Equations(width), [at], np.zeros(width, bool)
    equations.add(blocks(layers, at.on)[0], at.normal[0])
    tries, stall = 0, 0  # failures since the last success, steps since something new was learnt
    while not met.all() and tries < TRIES and stall < PATIENCE:
        if stall % ASTRAY == ASTRAY - 1:
            at = _put_down(layers, equations, at, met, rng)
        # Half of the 8 27 of 27, 1.03, double .97; half of the 6 1.01, double .99.
        step = plan(layers, at, met, tries + min(stall / 8, 6), rng)
        stall += 1
        if step is None:
            tries += 1
            continue
        block = blocks(layers, step.on)
        normal = block[0] @ equations.solution
        # More than what rounding leaves of a normal of 0; 0 and 1e-6 in its place 27 of 27, at the same queries.
        if tries == 0 and equations.determines(block)[0] and np.abs(normal).max() > 1e-9:
            at = Trail(step.on, normal[None], step.x[None])
            continue
        crossed = yield from _cross(at, step, CLOSER**tries)
        if crossed is None:
            tries += 1
            continue
        at, below = crossed, step.crossed - last(layers).start
        if below >= 0:
            met[below] = True
        equations.add(block[0], at.normal[0])
        trail.append(at)
        tries, stall = 0, 0
    return join(*trail) if tries < TRIES else None


def _cross(at: Trail, step: Step, share: float) -> Search[Trail | None]:
    """Where the zero set goes on behind a crossing, looked for so much closer to it; None where it does not."""
    normal = at.normal[0]
    sideways = normal - (normal @ step.across) * step.across
    sideways /= np.linalg.norm(sideways)
    # Half of the .6: 27 of 27, 1.02; the inner two of the four at half of the line 26 of 26, .98, and nearer its ends 1.00.
    half = min(0.6 * step.room, WINDOW) * share
    delta = half * share / LEAN * step.direction
    base = step.x + delta
    r = half * np.array([-1.0, -0.7, 0.7, 1.0])
    y = (yield base + r[:, None] * sideways)[:, 0]
    left, right = (y[1] - y[0]) / (0.3 * half), (y[3] - y[2]) / (0.3 * half)
    # 18 roundings; a tenth and ten times 26, at the same queries.
    noise = 4e-15 * (1 + np.abs(y).max() + np.linalg.norm(base))
    # Answers off by one of these 18 roundings place a bend in the middle to 11 / 18 / 1e3 of `half` then: within the 1e-3 asked below. A tenth and ten times 26, the same.
    if not np.abs(right - left) > 1e3 * noise / half:
        return None
    where = _meet(y[1], left, r[1], y[2], right, r[2])
    if np.abs(where) >= 0.7 * half:
        return None
    # Where the zero set goes on the victim bends half as far away along a line half as far on, between points .1 before and behind
    # (1 / `LEAN` 26, 1.02). Without the first test 26, .99; with a tenth of the second in place of both 26, 1.01.
    r = where / 2 + 0.1 * half * np.array([-1.0, 0.0, 1.0])
    y = (yield step.x + 0.5 * delta + r[:, None] * sideways)[:, 0]
    second = _meet(y[0], left, r[0], y[2], right, r[2])
    middle = y[0] + left * (r[1] - r[0]) if r[1] < second else y[2] - right * (r[2] - r[1])
    # Put so that a confidence that has lost its digits (NaN) is no bend.
    if not (np.abs(y[1] - middle) <= 1e-4 * np.abs(right - left) * half and np.abs(second - r[1]) < 1e-3 * half):
        return None
    run = 0.5 * delta + (where - second) * sideways
    alpha = -(normal @ run) / (step.across @ run)
    return Trail(step.on, (normal + alpha * step.across)[None], (base + where * sideways)[None])


def _meet(low: float, left: float, before: float, high: float, right: float, after: float) -> float:
    """Where the line through (before, low) of slope left meets that through (after, high) of slope right."""
    return (high - right * after - low + left * before) / (left - right)


def _put_down(layers: Layers, equations: Equations, at: Trail, met: np.ndarray, rng: np.random.Generator) -> Trail:
    """Of points where the equations hold the one closest to a neuron still missing; where there is none, the same place."""
    x = zero_points(layers, equations, at.x[0], rng)
    if not len(x):
        return at
    apart = affine_at(layers, x).distances(x)[:, last(layers)]
    x = x[[np.where(met, np.inf, apart).min(axis=1).argmin()]]
    return Trail(heights(layers, x) > 0, blocks_at(layers, x) @ equations.solution, x)

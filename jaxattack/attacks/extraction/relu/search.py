"""All neurons of the first hidden layer up to their signs: line after line, until no line shows a new one.

The first line costs a gradient for every kink. On a further line the kinks of the neurons found so far are predicted:
the line is asked at two points between any two of them, a kink that is there confirms its neuron, and only kinks that
nobody predicted cost gradients. A neuron that is not met where it should be was no neuron (two kinks too close to
part) and is dropped.

Only neurons of the first layer switch along the same hyperplane everywhere. In a deeper network those of other layers
seem to be neurons too, so that the victim has to bend at random points of a hyperplane once it was met again. None is
dropped: where those of deeper layers were seen is where they are followed from (`walk`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.critical_points import seek_kinks, tangents
from jaxattack.attacks.extraction.relu.gradients import Regions
from jaxattack.attacks.extraction.relu.intervals import Line
from jaxattack.attacks.extraction.relu.neurons import Neurons, meet, predict
from jaxattack.attacks.extraction.relu.noise import Noise, Saturated
from jaxattack.attacks.extraction.relu.normals import normals
from jaxattack.attacks.extraction.relu.rows import join, take
from jaxattack.attacks.search.lockstep import Search
from jaxattack.types import BudgetSpent

REACH, NEAR = 1e4, 30.0
"""How far lines go, in t; and in networks of several hidden layers, far out in which all layers bend on cones.

Of 35 such networks 33 are complete; with half of the latter 33, .99, with double 34, 1.00.
"""

LINES, STRANGE = 24, 2
"""Lines that are searched at most; and without meeting half of the neurons predicted on them, or without being resolved.

Double of the first, half and double of the second 72, the same; of `REACH` 71, .99 and 1.00.
"""

GRID = 129
"""Points that a first line is asked at where the number of neurons is not known. Half 72, .99; double 72, 1.02."""

SPOTS, SHARE, STEP = 12, 0.95, 1e-3
"""Points of a hyperplane at which a deeper victim is to bend, the share of them that suffices, and how near they are.

Where 7 in 10 sufficed, a neuron of the second layer was taken for one of the first on 6 of 20 seeds of a network 5-4-3-1; so on 2.
Of 35 networks 33 are complete: of `SPOTS` half 33, .96, and bits are lost, double 33, 1.18; of `STEP` half 32, double 31, 1.00.
"""


class SearchState(NamedTuple):
    """What the search knows, and how many neurons it looks for."""

    hidden: int | None
    above: int  # neurons in deeper layers
    noise: Noise
    neurons: Neurons
    regions: Regions
    lines: int = 0
    quiet: int = 0  # lines in a row that showed nothing new
    strange: int = 0  # lines that did not meet half of the neurons predicted on them
    noisy: int = 0  # lines that were not resolved for the most part
    complete: bool = False
    refusal: BudgetSpent | None = None

    @property
    def foreign(self) -> bool:
        """Whether this is no network of one hidden layer, or its answers are not what is documented."""
        return self.noisy >= STRANGE or self.bent_elsewhere

    @property
    def bent_elsewhere(self) -> bool:
        """Whether its kinks are not where neurons would have them."""
        return self.strange >= STRANGE and not self.noise.coarse

    @property
    def met(self) -> Bool[np.ndarray, "neuron"]:
        """The neurons that were met on a line other than the one that showed them."""
        return self.neurons.hits > 0

    @property
    def reason(self) -> str:
        """Why this is not all, in one sentence; empty where it is."""
        met, hidden = int(self.met.sum()), self.hidden
        if self.refusal is not None:
            return f"{self.refusal} {met} of the {len(self.met)} neurons found so far were met on a second line."
        if self.noisy >= STRANGE:
            return "the answers are not piecewise linear to the documented precision: rounded or noisy, or the victim is curved."
        if self.bent_elsewhere:
            return "neurons of one line were not met on others: the victim has more than one hidden layer."
        if not self.complete:
            goal = "" if hidden is None else f" of {hidden}"
            return f"after {self.lines} lines {met}{goal} neurons were met on two of them: others bend it too little."
        return "" if hidden in (None, met) else f"hidden is {hidden} and {met} neurons were found: give {met}, or none."


def search(
    features: int,
    outputs: int,
    hidden: int | None,
    noise: Noise,
    rng: np.random.Generator,
    quiet: int = 1,
    above: int = 0,
) -> Search[SearchState]:
    """Search lines until every neuron was met on a line other than the one that showed it.

    Where the number ``hidden`` of neurons is not known, ``quiet`` lines in a row that show nothing new end the search.
    ``above`` is how many neurons there are in deeper layers.
    """
    none = Neurons.none(features, outputs), Regions.none(features, outputs)
    state = SearchState(hidden, above, noise, *none)
    while not state.complete and state.lines < LINES and not state.foreign:
        line = Line(*rng.standard_normal((2, features)))
        try:
            state = yield from _line(state, line, rng)
        except BudgetSpent as refusal:
            return state._replace(refusal=refusal)
        except Saturated:
            state = state._replace(lines=state.lines + 1)
        enough = state.quiet >= quiet and state.met.all() if hidden is None else state.met.sum() >= hidden
        state = state._replace(complete=bool(enough))
    return state


def _line(state: SearchState, line: Line, rng: np.random.Generator) -> Search[SearchState]:
    """Search one line and learn from it."""
    neurons, noise, flat = state.neurons, state.noise, not state.above
    reach = REACH if flat else NEAR
    if len(neurons.offset):
        grid = _between(predict(neurons, line)[0], reach)
    else:
        grid = tangents(2 * (state.hidden + state.above) + 1 if state.hidden else GRID, reach)
    kinks = yield from seek_kinks(line, grid, noise)
    kink, expected = meet(neurons, kinks, steady=flat)
    hit, unknown = kink >= 0, np.ones(len(kinks.position), bool)
    unknown[kink[hit]] = False
    for k in np.flatnonzero(hit & ~state.met) if state.above else ():
        hit[k] = yield from _bends_throughout(neurons.normal[k], neurons.offset[k], rng)
    misses = expected & ~hit & flat
    # Double of the 8 72, the same.
    noisy = not noise.coarse and len(kinks.unresolved) > max(8, len(kinks.position))
    neurons = neurons._replace(hits=neurons.hits + hit)
    state = state._replace(
        neurons=take(neurons, ~(misses & (neurons.hits == 0))),
        lines=state.lines + 1,
        quiet=0 if unknown.any() else state.quiet + 1,
        strange=state.strange + int(2 * misses.sum() > expected.sum()),
        noisy=state.noisy + int(noisy),
    )
    if not unknown.any() or noisy or (state.hidden is not None and state.met.sum() >= state.hidden):
        return state
    fresh, regions = yield from normals(kinks, unknown)
    return state._replace(neurons=state.neurons.join(fresh), regions=join(state.regions, regions))


def _between(position: Float[np.ndarray, "neuron"], reach: float) -> Float[np.ndarray, "point"]:
    """Two points between any two predicted kinks, evenly spread in arctan t, and the ends."""
    end = np.arctan(reach)
    edge = np.concatenate([[-end], np.sort(np.arctan(position[np.abs(position) < reach])), [end]])
    low, gap = edge[:-1], np.diff(edge)
    return np.tan(np.unique(np.concatenate([[-end, end], low + gap / 3, low + 2 * gap / 3])))


def _bends_throughout(normal: np.ndarray, offset: float, rng: np.random.Generator) -> Search[bool]:
    """Whether the victim bends at random points of a hyperplane."""
    x = rng.normal(size=(SPOTS, len(normal)))
    x -= (x @ normal + offset)[:, None] * normal
    share = yield from kink_share(x, np.broadcast_to(normal, x.shape), np.full(SPOTS, STEP))
    return share > SHARE


def kink_share(
    x: Float[np.ndarray, "point feature"], normal: Float[np.ndarray, "point feature"], step: Float[np.ndarray, "point"]
) -> Search[float]:
    """The share of points at which the victim bends along a direction, of those where it changes along it at all."""
    unit = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), np.finfo(float).tiny)
    r = step[:, None] * np.array([-1.0, 0.0, 1.0])
    y = yield (x[:, None] + r[:, :, None] * unit[:, None]).reshape(-1, x.shape[1])
    y = y.reshape(len(x), 3, -1)
    # A second difference of answers of 64 roundings each is off by 4 x 64 x 2^-52 = 6e-14; so much, a tenth and ten times 26, the same.
    noise = 4e-13 * (1 + np.abs(y).max(axis=(1, 2)) + np.linalg.norm(x, axis=1))
    bends = np.abs(y[:, 0] + y[:, 2] - 2 * y[:, 1]).max(axis=1) > noise
    changes = np.abs(y[:, 2] - y[:, 0]).max(axis=1) > noise
    return float(bends.sum() / max((bends | changes).sum(), 1))

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

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.relu.critical_points import seek_kinks, tangents
from jaxattack.attacks.extraction.relu.gradients import Precision, Regions
from jaxattack.attacks.extraction.relu.neurons import Neurons, meet, predict
from jaxattack.attacks.extraction.relu.noise import Noise, Saturated
from jaxattack.attacks.extraction.relu.normals import Line, normals
from jaxattack.attacks.extraction.relu.rows import join, take
from jaxattack.types import BudgetSpent

REACH, NEAR = 1e4, 30.0
"""How far lines go, in t; and in networks of several hidden layers, far out in which all layers bend on cones."""

LINES, STRANGE = 24, 2
"""Lines that are searched at most; and without meeting half of the neurons predicted on them, or without being resolved."""

SHORTER = 1 / 4
GRID = 129
"""Points that a first line is asked at where the number of neurons is not known."""

SPOTS, SHARE, STEP = 12, 0.95, 1e-3
"""Points of a hyperplane at which a deeper victim is to bend, the share of them that suffices, and how near they are.

Where 7 in 10 sufficed, a neuron of the second layer was taken for one of the first on 6 of 20 seeds of a network 5-4-3-1; so on 2.
"""


class SearchState(NamedTuple):
    """What the search knows."""

    neurons: Neurons
    regions: Regions
    precision: Precision | None = None  # on the first line
    lines: int = 0
    quiet: float = 0.0  # lines in a row that showed nothing new; of each the share that was answered with all digits
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
        return self.strange >= STRANGE and not (self.precision is not None and self.precision.noise.coarse)

    def reason(self, hidden: int | None) -> str:
        """Why this is not all, in one sentence; empty where it is."""
        met, total = int((self.neurons.hits > 0).sum()), len(self.neurons.hits)
        if self.refusal is not None:
            return f"{self.refusal} {met} of the {total} neurons found so far were met on a second line."
        if self.noisy >= STRANGE:
            return "the answers are not piecewise linear to the documented precision: rounded or noisy, or the victim is curved."
        if self.bent_elsewhere:
            return "neurons of one line were not met on others: the victim has more than one hidden layer."
        if hidden is not None and met != hidden and self.complete:
            return f"hidden is {hidden} and {met} neurons were found: give {met}, or none."
        if not self.complete:
            goal = "" if hidden is None else f" of {hidden}"
            return f"after {self.lines} lines {met}{goal} neurons were met on two of them: others bend it too little."
        return ""


def search(
    features: int,
    outputs: int,
    hidden: int | None,
    quiet: int,
    noise: Noise,
    rng: np.random.Generator,
    *,
    above: int = 0,
) -> Generator[Float[np.ndarray, "query feature"], Float[np.ndarray, "query output"], SearchState]:
    """Search lines until every neuron was met on a line other than the one that showed it.

    Where the number ``hidden`` of neurons is not known, ``quiet`` lines in a row that show nothing new end the search.
    ``above`` is how many neurons there are in deeper layers.

    Raises:
        Saturated: no line held its digits.
    """
    state = SearchState(Neurons.none(features, outputs), Regions.none(np.zeros((0, features)), outputs))
    dark = 0
    while not state.complete and state.lines < LINES and not state.foreign:
        origin, direction = rng.standard_normal((2, features))
        try:
            # Lines that leave at once what is answered with all digits are followed by shorter ones.
            state = yield from _line(state, origin, SHORTER**dark * direction, hidden, noise, above, rng)
        except BudgetSpent as refusal:
            return state._replace(refusal=refusal)
        except Saturated:
            dark += 1
            if dark >= LINES:
                raise
            continue
        met = state.neurons.hits > 0
        if hidden is not None:
            state = state._replace(complete=met.sum() >= hidden)
        elif state.quiet >= quiet:
            state = state._replace(complete=bool(met.all()))
    return state


def _line(
    state: SearchState,
    origin: np.ndarray,
    direction: np.ndarray,
    hidden: int | None,
    noise: Noise,
    above: int,
    rng: np.random.Generator,
) -> Generator[np.ndarray, np.ndarray, SearchState]:
    """Search one line and learn from it."""
    neurons, reach = state.neurons, NEAR if above else REACH
    if len(neurons.offset):
        grid = _between(predict(neurons, origin, direction)[0], reach)
    else:
        grid = tangents(2 * (hidden + above) + 1 if hidden else GRID, reach)
    kinks = yield from seek_kinks(origin, direction, grid, noise)
    precision = state.precision or Precision(kinks.scale, noise)
    met = meet(neurons, kinks, origin, direction, noise.smallest_bend, steady=above == 0)
    hit, unknown = met.kink >= 0, np.ones(len(kinks.position), bool)
    unknown[met.kink[hit]] = False
    for k in np.flatnonzero(hit & (neurons.hits == 0)) if above else ():
        hit[k] = yield from _bends_throughout(neurons.normal[k], neurons.offset[k], rng)
    neurons = neurons._replace(hits=neurons.hits + hit)
    noisy = not noise.coarse and len(kinks.unresolved) > max(8, len(kinks.position))
    fresh, regions, enough = (
        take(neurons, np.zeros(0, int)),
        state.regions,
        hidden is not None and (neurons.hits > 0).sum() >= hidden,
    )
    if unknown.any() and not noisy and not enough:
        line = Line(origin, direction, kinks, unknown | (above > 0), unknown)
        steady = np.full(len(neurons.hits), above == 0)
        fresh, measured = yield from normals(line, take(neurons, steady), take(met, steady), precision)
        regions = join(regions, measured)
    misses, stretch = met.expected & ~hit & (above == 0), np.arctan(kinks.end) / np.arctan(reach)
    return state._replace(
        neurons=take(neurons, ~(misses & (neurons.hits == 0))).join(fresh),
        regions=regions,
        precision=precision,
        lines=state.lines + 1,
        quiet=0.0 if unknown.any() else state.quiet + np.ptp(stretch) / 2,
        strange=state.strange + int(2 * misses.sum() > met.expected.sum()),
        noisy=state.noisy + int(noisy),
    )


def _between(position: Float[np.ndarray, "neuron"], reach: float) -> Float[np.ndarray, "point"]:
    """Two points between any two predicted kinks, evenly spread in arctan t, and the ends."""
    end = np.arctan(reach)
    edge = np.concatenate([[-end], np.sort(np.arctan(position[np.abs(position) < reach])), [end]])
    gap = np.diff(edge)
    low, gap = edge[:-1][gap > 1e-9], gap[gap > 1e-9]
    return np.tan(np.unique(np.concatenate([[-end, end], low + gap / 3, low + 2 * gap / 3])))


def _bends_throughout(
    normal: np.ndarray, offset: float, rng: np.random.Generator
) -> Generator[np.ndarray, np.ndarray, bool]:
    """Whether the victim bends at random points of a hyperplane."""
    x = rng.normal(size=(SPOTS, len(normal)))
    x -= (x @ normal + offset)[:, None] * normal
    share = yield from kink_share(x, np.broadcast_to(normal, x.shape), np.full(SPOTS, STEP))
    return share > SHARE


def kink_share(
    x: Float[np.ndarray, "point feature"], normal: Float[np.ndarray, "point feature"], step: Float[np.ndarray, "point"]
) -> Generator[np.ndarray, np.ndarray, float]:
    """The share of points at which the victim bends along a direction, of those where it changes along it at all."""
    unit = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), np.finfo(float).tiny)
    r = step[:, None] * np.array([-1.0, 0.0, 1.0])
    y = yield (x[:, None] + r[:, :, None] * unit[:, None]).reshape(-1, x.shape[1])
    y = y.reshape(len(x), 3, -1)
    noise = 4e-13 * (1 + np.abs(y).max(axis=(1, 2)) + np.linalg.norm(x, axis=1))
    bends = np.abs(y[:, 0] + y[:, 2] - 2 * y[:, 1]).max(axis=1) > noise
    changes = np.abs(y[:, 2] - y[:, 0]).max(axis=1) > noise
    return float(bends.sum() / max((bends | changes).sum(), 1))

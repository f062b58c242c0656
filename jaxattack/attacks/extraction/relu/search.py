"""All neurons of a two-layer network up to their signs: line after line, until no line shows a new one.

The first line costs a gradient for every kink. On a further line the kinks of the neurons found so far are predicted:
the line is asked at two points between any two of them, a kink that is there confirms its neuron, and only kinks that
nobody predicted cost gradients. A neuron that is not met where it should be was no neuron (two kinks too close to
part) and is dropped.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.relu.kinks import Saturated, seek_kinks, tangents
from jaxattack.attacks.extraction.relu.neurons import Neurons, meet, predict
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.regions import Precision, Regions
from jaxattack.attacks.extraction.relu.survey import Line, survey
from jaxattack.types import BudgetSpent

REACH = 1e4
LINES, STRANGE = 24, 2
"""Lines that are searched at most; and without meeting half of the neurons predicted on them, or without being resolved."""

SHORTER = 1 / 4
GRID = 129
"""Points that a first line is asked at where the number of neurons is not known."""


class SearchState(NamedTuple):
    """What the search knows.

    Attributes:
        neurons: up to their signs.
        regions: where gradients were measured.
        precision: of the answers; None before the first line.
        lines: how many lines were searched.
        quiet: how many lines in a row showed nothing new; of each the share that was answered with all digits.
        strange: how many lines did not meet half of the neurons predicted on them.
        noisy: how many lines were not resolved for the most part.
        complete: whether the search ended by itself.
        refusal: the end of the budget, where that ended it.
    """

    neurons: Neurons
    regions: Regions
    precision: Precision | None = None
    lines: int = 0
    quiet: float = 0.0
    strange: int = 0
    noisy: int = 0
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
        if hidden is not None and total != hidden and self.complete:
            return f"hidden is {hidden} and {total} neurons were found: give {total}, or none."
        if not self.complete:
            goal = "" if hidden is None else f" of {hidden}"
            return f"after {self.lines} lines {met}{goal} neurons were met on two of them: others bend it too little."
        return ""


def search(
    features: int, hidden: int | None, quiet: int, noise: Noise, rng: np.random.Generator
) -> Generator[Float[np.ndarray, "query feature"], Float[np.ndarray, "query output"], SearchState]:
    """Search lines until every neuron was met on a line other than the one that showed it.

    Args:
        features: of the inputs.
        hidden: how many neurons there are; None where that is not known.
        quiet: with ``hidden`` None, stop when so many lines in a row have shown nothing new.
        noise: of the answers.
        rng: draws the lines.
    """
    state, dark = SearchState(Neurons.none(features, 0), Regions.none(features, 0)), 0
    while not state.complete and state.lines < LINES and not state.foreign:
        origin, direction = rng.standard_normal((2, features))
        try:
            # Lines that leave at once what is answered with all digits are followed by shorter ones.
            state = yield from _line(state, origin, SHORTER**dark * direction, hidden, noise)
        except BudgetSpent as refusal:
            return state._replace(refusal=refusal)
        except Saturated:
            dark += 1
            if dark >= LINES:
                raise
            continue
        met = state.neurons.hits > 0
        if hidden is not None and met.sum() >= hidden:
            state = state._replace(neurons=state.neurons.take(met), complete=True)
        elif hidden is None and state.quiet >= quiet:
            state = state._replace(complete=bool(met.all()))
    return state


def _line(
    state: SearchState, origin: np.ndarray, direction: np.ndarray, hidden: int | None, noise: Noise
) -> Generator[np.ndarray, np.ndarray, SearchState]:
    """Search one line and learn from it."""
    if len(state.neurons.offset):
        grid = _between(predict(state.neurons, origin, direction)[0])
    else:
        grid = tangents(2 * hidden + 1 if hidden else GRID, REACH)
    kinks = yield from seek_kinks(origin[None], direction[None], grid[None], noise=noise)
    precision = state.precision or Precision(kinks.scale, noise)
    outputs = len(precision.scale)
    if not state.lines:
        state = SearchState(Neurons.none(len(origin), outputs), Regions.none(len(origin), outputs), precision)
    met = meet(state.neurons, kinks, origin, direction, noise.smallest_bend)
    hit = met.kink >= 0
    owner = np.full(len(kinks.position), -1)
    owner[met.kink[hit]] = np.flatnonzero(hit)
    neurons = state.neurons._replace(hits=state.neurons.hits + hit)
    fresh, regions = Neurons.none(len(origin), outputs), state.regions
    noisy = not noise.coarse and len(kinks.unresolved) > max(8, len(kinks.position))
    if (owner < 0).any() and not noisy:
        fresh, measured = yield from survey(Line(origin, direction, kinks, owner, met), neurons, precision)
        regions = regions.join(measured)
    misses, stretch = met.expected & ~hit, np.arctan(kinks.end[0]) / np.arctan(REACH)
    return state._replace(
        neurons=neurons.take(~(misses & (neurons.hits == 0))).join(fresh),
        regions=regions,
        lines=state.lines + 1,
        quiet=0.0 if (owner < 0).any() else state.quiet + np.ptp(stretch) / 2,
        strange=state.strange + int(2 * misses.sum() > met.expected.sum()),
        noisy=state.noisy + int(noisy),
    )


def _between(position: Float[np.ndarray, "neuron"]) -> Float[np.ndarray, "point"]:
    """Two points between any two predicted kinks, evenly spread in arctan t, and the ends."""
    end = np.arctan(REACH)
    inside = np.sort(np.arctan(position[np.abs(position) < REACH]))
    edge = np.concatenate([[-end], inside, [end]])
    gap = np.diff(edge)
    wide = gap > 1e-9
    low, gap = edge[:-1][wide], gap[wide]
    points = np.unique(np.concatenate([[-end, end], low + gap / 3, low + 2 * gap / 3]))
    return np.tan(points)

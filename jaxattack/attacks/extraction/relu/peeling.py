"""The hidden layers of a network, one after the other, from the outside in.

Each step turns layers known but for the signs of the last into one layer more: kinks that no known neuron explains
are followed (`walk`), what was followed is solved for (`signature`), held against the victim at points of the supposed
zero set far from where it was followed, and gives the signs of the layer below (`signs`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.extraction.relu.cells import Layer, Layers, affine_at, flip, heights
from jaxattack.attacks.extraction.relu.critical_points import seek_kinks, tangents
from jaxattack.attacks.extraction.relu.frame import Victim, outputs
from jaxattack.attacks.extraction.relu.intervals import Line
from jaxattack.attacks.extraction.relu.network import ReluNetwork
from jaxattack.attacks.extraction.relu.neurons import Neurons
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.normals import normals
from jaxattack.attacks.extraction.relu.polish import Answers, solve_last_layer
from jaxattack.attacks.extraction.relu.rows import join, take
from jaxattack.attacks.extraction.relu.search import NEAR, SPOTS, STEP, kink_share, search
from jaxattack.attacks.extraction.relu.signature import (
    AGREES,
    Signature,
    Trail,
    blocks_at,
    signature,
    signs,
    weights,
    zero_points,
)
from jaxattack.attacks.extraction.relu.walk import follow
from jaxattack.attacks.search.lockstep import Search, Task, run, together

SHARE = 0.8
"""Of points at which the victim is to bend the share that suffices. Of 35 networks 33 are complete, with .6 32, with .9 33, 1.00; of `SPOTS` half 7, .96, and double 7, 1.08."""

FITTED = 6000
"""Answers for the last layer. Of 35 networks 33 are complete, with half and double too, 1.00; with 4 or 8 an unknown, of three 40-20-10-10-1 one is exact and not two."""


@dataclass
class Peeling:
    """The state of a run."""

    victim: Victim
    hidden: tuple[int, ...]
    most: int  # lines
    idle: int  # lines without a further neuron, after which a layer is given up
    rng: np.random.Generator
    layers: Layers = ()  # the signs of the last are open
    points: Neurons = field(init=False)  # where the victim bends, and what was measured there
    mixture: Float[np.ndarray, "output"] = field(init=False)
    batches: list[Answers] = field(default_factory=list)
    lines: int = 0
    attempts: set[int] = field(default_factory=set)  # points that were followed
    network: ReluNetwork | None = None

    def __post_init__(self) -> None:
        self.points = Neurons.none(self.features, 1)
        mixture = self.rng.normal(size=outputs(self.victim.frame.access))
        self.mixture = mixture / np.linalg.norm(mixture) if len(mixture) > 1 else np.ones(1)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many neurons of each layer were found."""
        return tuple(len(layer.bias) for layer in self.layers)

    @property
    def complete(self) -> bool:
        """Whether all neurons of all layers were found."""
        return self.widths == self.hidden

    @property
    def features(self) -> int:
        """How many there are."""
        return len(self.victim.frame.centre)

    @property
    def answers(self) -> Answers:
        """All that was asked and answered with all digits: later steps fit to it without asking again."""
        return join(*self.batches)

    def sample(self, x: Float[np.ndarray, "query feature"]) -> Answers:
        """The answers with all digits to some queries."""
        self.evaluate(x)
        return self.batches[-1]

    def evaluate(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query 1"]:
        """One random mixture of the outputs, which bends wherever any of them does; NaN where a confidence has lost its digits."""
        y = self.victim.ask(x)
        y[~np.isfinite(y).all(axis=1)] = np.nan
        self.batches.append(Answers.finite(x, y))
        return (y @ self.mixture)[:, None]

    def ask(self, search: Search[Any]) -> Any:
        """What a search returns."""
        return run(Task(search, self.evaluate))

    def first(self) -> bool:
        """Find the first layer; whether all of it was found."""
        width, above = self.hidden[0], sum(self.hidden[1:])
        state = self.ask(search(self.features, 1, width, Noise(), self.rng, above=above))
        first, self.points = take(state.neurons, state.met), take(state.neurons, ~state.met)
        self.lines = state.lines
        self.layers = (Layer(first.normal[:width], first.offset[:width]),)
        if state.refusal is not None:
            raise state.refusal
        return len(first.offset) >= width

    def search_line(self, line: Line, grid: np.ndarray, base: Layers, signatures: list[Signature]) -> None:
        """Add the critical points of one more line that no known neuron explains."""
        kinks = self.ask(seek_kinks(line, grid, Noise()))
        self.lines += 1
        unknown = ~self.explains(base, signatures, kinks.x)
        if unknown.any():
            neurons, _ = self.ask(normals(kinks, unknown))
            self.points = join(self.points, neurons)

    def next(self) -> bool:
        """Find the next layer and the signs of the last; whether any of it was found."""
        self.attempts = set()
        width = self.hidden[len(self.layers)]
        signatures = self.gather(self.layers, width, self.idle)
        if signatures:
            sign = signs(self.layers, signatures)
            layer = _solve(self.layers, signatures[:width], sign)
            self.layers = (*self.layers[:-1], flip(self.layers[-1], sign), layer)
        return bool(signatures)

    def more(self, start: Float[np.ndarray, "line feature"], goal: Float[np.ndarray, "line feature"]) -> None:
        """Look for neurons that the last layer lacks on lines between given points."""
        width, base = self.hidden[-1] - self.widths[-1], self.layers[:-1]
        for one, other in zip(start, goal, strict=True):
            self.search_line(Line(one, other - one), np.linspace(-1, 2, 2 * sum(self.hidden) + 1), base, [])
        if signatures := self.gather(base, width, 0):
            layer = _solve(base, signatures[:width], np.ones(self.widths[-2]))
            self.layers = (*base, join(self.layers[-1], layer))

    def gather(self, base: Layers, width: int, idle: int) -> list[Signature]:
        """At least so many neurons over ``base``, fewer where ``idle`` further lines in a row show no critical point of any."""
        signatures: list[Signature] = []
        vain = 0
        while len(signatures) < width:
            open_ = np.flatnonzero(~self.explains(base, signatures, self.points.x))
            open_ = open_[~np.isin(open_, list(self.attempts))]
            if len(open_):
                starts = self.rng.permutation(open_)[: width - len(signatures) + 1]
                self.attempts |= set(starts.tolist())
                new = self.follow_from(base, take(self.points, starts), signatures)
                signatures, vain = signatures + new, 0 if new else vain
            elif vain >= idle or self.lines >= self.most:
                break
            else:
                line = Line(*self.rng.normal(size=(2, self.features)))
                self.search_line(line, tangents(2 * sum(self.hidden) + 1, NEAR), base, signatures)
                vain += 1
        return signatures

    def explains(self, base: Layers, signatures: list[Signature], x: np.ndarray) -> Bool[np.ndarray, "point"]:
        """Which points are of known neurons, or of those found over ``base``."""
        near = AGREES * (np.sqrt(x.shape[1]) + np.linalg.norm(x, axis=1))
        mask = (affine_at(self.layers, x).distances(x) < near[:, None]).any(axis=1)
        for one in signatures:
            mask |= one.distance(base, x) < near
        return mask

    def follow_from(self, base: Layers, starts: Neurons, signatures: list[Signature]) -> list[Signature]:
        """What following the zero sets through these points shows of neurons not found before."""
        cells = Trail(heights(base, starts.x) > 0, starts.normal, starts.x)
        walks = [follow(base, take(cells, np.array([k])), self.rng) for k in range(len(starts.x))]
        sound = [
            signature(base, trail) for trail in self.ask(together(walks)) if trail is not None and len(trail.x) > 1
        ]
        new: list[Signature] = []
        # Of two that are the same neuron the one that met more stays.
        for one in sorted((one for one in sound if one is not None), key=lambda one: one.free.sum()):
            if not any(_same(one, other) for other in signatures + new) and self.confirms(base, one):
                new.append(one)
        return new

    def confirms(self, base: Layers, one: Signature) -> bool:
        """Whether the victim bends where it should, far from where the neuron was followed.

        A neuron of the last hidden layer shows everywhere. Before it, neurons may be hidden by dead ones above, and in
        small networks one of a deeper layer may pass for one of this layer at many points.
        """
        final = len(base) == len(self.hidden) - 1
        x = zero_points(base, one.equations, one.trail.x[-1], self.rng)[: SPOTS if final else 2 * SPOTS]
        if not len(x):
            return False
        step = np.minimum(0.3 * affine_at(base, x).distances(x).min(axis=1), STEP)
        return self.ask(kink_share(x, blocks_at(base, x) @ one.solution, step)) > SHARE

    def assemble(self) -> ReluNetwork:
        """The network over the layers found so far."""
        answers = self.answers.some(FITTED, self.rng)
        return solve_last_layer(self.layers, answers, self.hidden[len(self.layers) - 1])

    def summary(self) -> str:
        """What was found, in a sentence."""
        widths = enumerate(zip(self.widths, self.hidden, strict=False))
        parts = [f"{found} of {width} neurons of layer {k + 1}" for k, (found, width) in widths]
        return f"found were {', '.join(parts)}, on {self.lines} lines." if parts else "no layer was found."


def _solve(base: Layers, signatures: list[Signature], sign: np.ndarray) -> Layer:
    """Neurons over layers of which the last takes these signs."""
    return Layer(*map(np.array, zip(*(weights(base, one.trail, sign) for one in signatures), strict=True)))


def _same(one: Signature, other: Signature) -> bool:
    """Whether folds are proportional where both are known."""
    both = ~(one.free | other.free)
    first, second = one.fold[both], other.fold[both]
    # An angle of 1.4e-5 at most. A tenth and ten times of the 1e-10 26, the same.
    sure = (1 - 1e-10) * np.linalg.norm(first) * np.linalg.norm(second)
    return bool(both.sum() >= 2 and abs(first @ second) > sure)

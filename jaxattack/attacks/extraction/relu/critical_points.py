"""Where a network bends along random lines, and which way.

A critical point is one where some neuron switches (Carlini, Jagielski, Mironov 2020, "Cryptanalytic extraction of neural
network models", section 4.1). Across it the gradient of the network jumps by a multiple of that neuron's normal, the
gradient of its pre-activation. Gradients are measured between neighbouring kinks of a line, once for both.

Lines go through the region of interest in standard coordinates, in which it is centred at 0 and has half width 1
along each feature, and to ``REACH`` times its diagonal to both sides.

What a supposed neuron predicts can be held against the lines without asking anything: where its pre-activation has
different signs in the middle of two neighbouring gaps between kinks, the kink between them must lie on its zero set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.relu.kinks import seek_kinks
from jaxattack.attacks.extraction.relu.noise import Noise
from jaxattack.attacks.extraction.relu.peel import Layer
from jaxattack.attacks.extraction.relu.regions import Precision, measure
from jaxattack.attacks.search.lockstep import Task, run

Evaluate = Callable[[Float[np.ndarray, "query feature"]], Float[np.ndarray, "query"]]
REACH = 30.0
SAME = 1e-6
DEAD = 1e-7
ALIKE = 1e-4
SPOTS, SHARE = 12, 0.7
SLOPE = 1e-9


class Lines(NamedTuple):
    """Lines that were searched, and their kinks, sorted by line and position.

    Attributes:
        origin: Float["line feature"].
        direction: Float["line feature"], of length 1.
        end: Float["line 2"], where the search began and ended.
        line: Int["kink"].
        position: Float["kink"], along its line.
        left: Float["kink"], the slope along the line before it.
        right: Float["kink"], the slope after it.
    """

    origin: Float[np.ndarray, "line feature"]
    direction: Float[np.ndarray, "line feature"]
    end: Float[np.ndarray, "line 2"]
    line: Int[np.ndarray, "kink"]
    position: Float[np.ndarray, "kink"]
    left: Float[np.ndarray, "kink"]
    right: Float[np.ndarray, "kink"]

    @classmethod
    def none(cls, features: int) -> Lines:
        """No lines yet."""
        empty = np.zeros(0)
        return cls(np.zeros((0, features)), np.zeros((0, features)), np.zeros((0, 2)), empty.astype(int), *[empty] * 3)

    @property
    def count(self) -> int:
        """How many lines."""
        return len(self.origin)

    @property
    def x(self) -> Float[np.ndarray, "kink feature"]:
        """Where the kinks are."""
        return self.at(self.line, self.position)

    @property
    def near(self) -> Float[np.ndarray, "kink"]:
        """How far from a zero set a kink may be and still count as on it."""
        return SAME * (np.sqrt(self.origin.shape[1]) + np.linalg.norm(self.x, axis=1))

    def at(self, line: Int[np.ndarray, "point"], t: Float[np.ndarray, "point"]) -> Float[np.ndarray, "point feature"]:
        """Points of lines."""
        return self.origin[line] + t[:, None] * self.direction[line]

    def gaps(self) -> tuple[Float[np.ndarray, "kink 2"], Float[np.ndarray, "kink 2"]]:
        """Middle and width of the gaps before and after each kink."""
        first = np.append(True, self.line[1:] != self.line[:-1])[: len(self.line)]
        final = np.append(self.line[1:] != self.line[:-1], True)[: len(self.line)]
        before = np.where(first, self.end[self.line, 0], np.roll(self.position, 1))
        after = np.where(final, self.end[self.line, 1], np.roll(self.position, -1))
        middle = np.stack([self.position + before, self.position + after], axis=1) / 2
        return middle, np.stack([self.position - before, after - self.position], axis=1)


def search(evaluate: Evaluate, lines: Lines, more: int, points: int, rng: np.random.Generator) -> Lines:
    """Search more random lines.

    Args:
        evaluate: asks the victim, in standard coordinates.
        lines: searched before.
        more: how many.
        points: asked of each line first.
        rng: draws them.
    """
    features = lines.origin.shape[1]
    origin, direction = rng.normal(size=(2, more, features))
    share = 2 * (np.arange(points) + rng.random((more, points))) / points - 1
    return _search(evaluate, lines, origin, direction, np.sqrt(features) * np.tan(share * np.arctan(REACH)))


def between(
    evaluate: Evaluate,
    lines: Lines,
    start: Float[np.ndarray, "line feature"],
    goal: Float[np.ndarray, "line feature"],
    points: int,
) -> Lines:
    """Search the lines from some points to others, and as far again beyond both.

    Args:
        evaluate: asks the victim, in standard coordinates.
        lines: searched before.
        start: one end of each.
        goal: the other.
        points: asked of each line first.
    """
    length = np.linalg.norm(goal - start, axis=1, keepdims=True)
    return _search(evaluate, lines, start, goal - start, length * np.linspace(-1, 2, points))


def _search(
    evaluate: Evaluate, lines: Lines, origin: np.ndarray, direction: np.ndarray, grid: Float[np.ndarray, "line point"]
) -> Lines:
    direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    kinks = run(Task(seek_kinks(origin, direction, grid), lambda x: evaluate(x)[:, None]))
    return Lines(
        np.concatenate([lines.origin, origin]),
        np.concatenate([lines.direction, direction]),
        np.concatenate([lines.end, np.where(np.isnan(kinks.end), grid[:, [0, -1]], kinks.end)]),
        np.append(lines.line, kinks.line + lines.count),
        np.append(lines.position, kinks.position),
        np.append(lines.left, kinks.left[:, 0]),
        np.append(lines.right, kinks.right[:, 0]),
    )


def normals(evaluate: Evaluate, lines: Lines, kinks: Int[np.ndarray, "chosen"]) -> Float[np.ndarray, "chosen feature"]:
    """The jump of the gradient across each chosen kink; NaN where it could not be measured.

    A gradient counts once its part along the line is the slope that the search has measured. Neighbouring kinks share
    the gap between them.
    """
    middle, width = lines.gaps()
    side = np.stack([kinks + lines.line[kinks], kinks + lines.line[kinks] + 1], axis=1)
    gap, use = np.unique(side.ravel(), return_index=True)
    at, after = np.repeat(kinks, 2)[use], use % 2
    t, step = middle[at, after], np.minimum(0.1 * width[at, after], 1.0)
    slope = np.where(after, lines.right[at], lines.left[at])[:, None]
    search = measure(
        lines.at(lines.line[at], t),
        step,
        lines.direction[lines.line[at]],
        slope,
        SLOPE * np.abs(slope),
        Precision(np.ones(1), Noise()),
    )
    gradient = run(Task(search, lambda x: evaluate(x)[:, None])).gradient[:, 0]
    return gradient[np.searchsorted(gap, side[:, 1])] - gradient[np.searchsorted(gap, side[:, 0])]


class Support(NamedTuple):
    """How far the kinks of the lines bear out a supposed neuron.

    Attributes:
        hits: Int["neuron"], kinks on its zero set where its sign changes.
        expected: Int["neuron"], kinks where its sign changes; without misses beside gaps where the victim is constant,
            in which a dead layer hides every neuron below it.
    """

    hits: Int[np.ndarray, "neuron"]
    expected: Int[np.ndarray, "neuron"]

    @property
    def share(self) -> Float[np.ndarray, "neuron"]:
        """Of what was expected."""
        return self.hits / np.maximum(self.expected, 1)


def support(
    lines: Lines,
    heights: Callable[[Float[np.ndarray, "point feature"]], Float[np.ndarray, "point neuron"]],
    near: Bool[np.ndarray, "kink neuron"],
) -> Support:
    """Hold supposed neurons against the lines; asks nothing.

    Args:
        lines: searched.
        heights: the supposed pre-activations.
        near: which kinks lie on which zero set.
    """
    middle, _ = lines.gaps()
    before, after = (heights(lines.at(lines.line, t)) > 0 for t in middle.T)
    change = before != after
    slope = np.abs(np.stack([lines.left, lines.right]))
    alive = (slope > DEAD * np.median(slope)).all(axis=0) if len(lines.line) else slope[0] > 0
    return Support((change & near).sum(axis=0), (change & (near | alive[:, None])).sum(axis=0))


def kink_share(
    evaluate: Evaluate,
    x: Float[np.ndarray, "point feature"],
    normal: Float[np.ndarray, "point feature"],
    step: Float[np.ndarray, "point"],
) -> float:
    """The share of points at which the victim bends along a direction, of those where it changes along it at all.

    Three queries a point, in one call.
    """
    unit = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), np.finfo(float).tiny)
    r = step[:, None] * np.array([-1.0, 0.0, 1.0])
    y = evaluate((x[:, None] + r[:, :, None] * unit[:, None]).reshape(-1, x.shape[1])).reshape(-1, 3)
    noise = 4e-13 * (1 + np.abs(y).max(axis=1) + np.linalg.norm(x, axis=1))
    bends = np.abs(y[:, 0] + y[:, 2] - 2 * y[:, 1]) > noise
    return float(bends.sum() / max((bends | (np.abs(y[:, 2] - y[:, 0]) > noise)).sum(), 1))


def hyperplanes(
    evaluate: Evaluate, lines: Lines, width: int, rng: np.random.Generator, *, points: int, limit: int
) -> tuple[Layer, Lines]:
    """The first layer up to the signs of its neurons: hyperplanes along all of which the victim bends.

    Only neurons of the first layer switch along the same hyperplane everywhere. Gradients are measured along one line
    after the other, at kinks that no hyperplane found so far explains, until ``width`` are found.

    Returns:
        The layer, rows of length 1, fewer than ``width`` where not more were found; and the lines.
    """
    planes = np.zeros((0, lines.origin.shape[1] + 1))
    for used in range(limit):
        while lines.count < used + 4:
            lines = search(evaluate, lines, 4 if not used else 2, points, rng)
        on_planes = _near(lines, planes).any(axis=1)
        fresh = np.flatnonzero((lines.line == used) & ~on_planes)
        normal = normals(evaluate, lines, fresh)
        measured = np.isfinite(normal).all(axis=1) & (np.abs(normal).max(axis=1, initial=0) > 0)
        normal = normal[measured] / np.linalg.norm(normal[measured], axis=1, keepdims=True)
        offset = -(normal * lines.x[fresh[measured]]).sum(axis=1)
        new = _confirm(lines, np.column_stack([normal, offset]), planes)
        planes = np.array([*planes, *(plane for plane in new if _bends_throughout(evaluate, plane, rng))]).reshape(
            -1, planes.shape[1]
        )
        if len(planes) >= width:
            break
    return Layer(planes[:width, :-1], planes[:width, -1]), lines


def _bends_throughout(evaluate: Evaluate, plane: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether the victim bends at random points of a hyperplane."""
    x = rng.normal(size=(SPOTS, len(plane) - 1))
    x -= (x @ plane[:-1] + plane[-1])[:, None] * plane[:-1]
    normal = np.broadcast_to(plane[:-1], x.shape)
    return kink_share(evaluate, x, normal, np.full(SPOTS, 1e-3)) > SHARE


def _near(lines: Lines, planes: Float[np.ndarray, "plane feature+1"]) -> Bool[np.ndarray, "kink plane"]:
    return np.abs(lines.x @ planes[:, :-1].T + planes[:, -1]) < lines.near[:, None]


def _confirm(
    lines: Lines, planes: Float[np.ndarray, "plane feature+1"], previous: Float[np.ndarray, "previous feature+1"]
) -> list[np.ndarray]:
    """The hyperplanes met on most lines that cross them, best first, each once, without those known already."""
    backed = support(lines, lambda x: x @ planes[:, :-1].T + planes[:, -1], _near(lines, planes))
    order = [k for k in np.lexsort([-backed.hits, -backed.share]) if backed.hits[k] >= 3 and backed.share[k] >= 0.5]
    distinct: list[np.ndarray] = []
    for plane in planes[order]:
        # One that was measured badly is still the same.
        apart = [min(np.abs(plane - other).max(), np.abs(plane + other).max()) for other in [*previous, *distinct]]
        if min(apart, default=np.inf) > ALIKE * (1 + abs(plane[-1])):
            distinct.append(plane)
    return distinct

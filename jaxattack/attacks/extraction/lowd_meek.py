"""Linear classifiers from labels alone, by line search (Lowd and Meek 2005), for two classes or more.

1. Random queries find an input of every class; segments between inputs of different classes are bisected to the boundary
   between two classes, k and l.
2. `boundaries`: from a point just before a boundary every feature is moved alone, all of them in lockstep, until the label
   changes, which tells how each counts for z_k - z_l, up to one factor.
3. Two classes are done. More are joined by a tree of boundaries; the factors between them follow from further points where
   two classes meet.

About 30 queries a feature and boundary in float64; Tramèr et al. 2016 allow 50 (d + 1). The intercept comes from
the boundary and every query is counted: nothing but labels is read.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.extraction.asking import require_real, too_small, uniform
from jaxattack.attacks.extraction.boundaries import PRECISIONS, Meetings, Sides, join, measure, tree
from jaxattack.attacks.extraction.substitute import SOFTMAX, Stolen, encoding, network, on_queries
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.attacks.search.bisect import OCTAVES, Ask, along, bisect
from jaxattack.types import EVERY_LEVEL, Access, Answer, BudgetSpent, Draft, InputError, Inputs, config

BATCH = 8
"""Queries of the search's first call; each further call doubles them. Of 53 victims, half of them float32 and half with categories, 37
are complete with 8, 32 with 2, 35 with 4, 34 with 16."""

INNER = 0.95
"""How far towards the ends of the range queries go, to leave room to move every number. Of 32 float32 victims 21, 23 and 17 are stolen at
.9, .95 and .99."""

CANDIDATES = 8
"""Segments tried for every two classes where categories, which no segment can cross, may spoil one; 1 loses one theft in 16. Of the 53 half and
double 37, as many queries and 1% more."""

SAMPLES, CONTESTED = 10_000, 16
"""Points that are looked at, and of those asked, where two classes that have not met may be the likeliest. Without them 90 of 124 victims are
stolen, not 102. Of the 53 half and double of the points 38, as many queries and 1% more; of those asked 37, 1% more and as many."""

LINEAR = 0.98
"""Agreement on the search's own queries below which a victim is not linear. Of the 53, which are, 37 are complete from 0 to 1."""


@config
class LowdMeek(Attack):
    """Line search on a linear classifier.

    Attributes:
        search: the most queries spent on finding an input of every class; half are records of a pool, if there is one.
            Of 48 thefts half and twice complete the same 30, with 10% fewer and 20% more queries.

    Raises:
        InputError: a value out of range.
    """

    search: int = 2000

    name = "lowd-meek"
    paper = "Lowd and Meek 2005"
    levels = EVERY_LEVEL
    pool = False

    def __post_init__(self) -> None:
        if self.search < BATCH:
            raise InputError(f"search is {self.search}: give at least {BATCH} queries.")

    def needs(self, access: Access) -> int:
        """A search that finds every class at once, a segment for each two classes, and a line search for every feature on
        the boundaries of a tree."""
        fine = PRECISIONS[access.precision]
        features = int(np.maximum(access.inputs.categories - 1, 1).sum())
        return (
            BATCH + comb(access.classes, 2) * fine.depth + (access.classes - 1) * features * (fine.bits + OCTAVES + 2)
        )

    def run(self, theft: Theft) -> Draft:
        """Steal the classifier up to a positive factor. It answers with labels alone."""
        access, rng = theft.access, theft.rng
        if access.classes < 2:
            raise InputError("lowd-meek needs the labels of a classifier, and the victim is a regressor.")
        if (access.inputs.categories > 0).all():
            raise InputError(
                "lowd-meek moves numbers, and the victim takes categories only: choose adaptive-retraining."
            )

        require_real(self.name, access.inputs)

        def ask(x: np.ndarray) -> np.ndarray:
            return theft.oracle(x.reshape(-1, *access.inputs.shape)).label

        theft.report("steps", 0, 3)
        x, label = _search(ask, access, theft.pool, self.search, rng)
        theft.report("steps", 1, 3)
        meetings = _meetings(ask, x, label, access, rng)
        edges = meetings.take(tree(meetings.own, meetings.other))
        theft.report("steps", 2, 3)
        sides = measure(ask, edges, access)
        stolen, fixed, refusal = _join(ask, sides.value, edges, meetings, access, rng)
        theft.report("steps", 3, 3)
        agreement = float(np.mean(stolen.answer(x.reshape(-1, *access.inputs.shape)).label == label))
        return Draft(
            stolen=stolen,
            answer=lambda x: Answer(stolen.answer(x).label),
            parameters=stolen.parameters,
            model=stolen.model,
            stop=self._reason(access, sides, refusal, len(np.unique(label)), fixed, agreement),
            exact=False,
            notes={"boundaries": len(edges.own), "out of reach": sides.unreached, "agreement in search": agreement},
        )

    def _reason(
        self, access: Access, sides: Sides, refusal: BudgetSpent | None, classes: int, fixed: bool, agreement: float
    ) -> str:
        """Why the search stopped before its end; empty where it came to it."""
        short = sides.refusal or refusal
        if short is not None:
            return str(too_small(self, access, short))
        if classes < access.classes:
            return f"only {classes} of {access.classes} classes were found: give a pool with all, or a larger search."
        if sides.unpaid:
            return (
                f"{sides.unpaid} values of categories weigh more than all numbers together: choose adaptive-retraining."
            )
        if not fixed:
            return "the boundaries found leave the scales between classes open: give a pool, or another seed."
        if agreement < LINEAR:
            return f"the victim is not linear: on the search's queries the stolen model agrees in {agreement:.1%}."
        return ""


def _search(
    ask: Ask, access: Access, pool: np.ndarray | None, most: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "query feature"], Int[np.ndarray, "query"]]:
    """Queries until every class was answered, or so many: half of them records of the pool, while there are any.

    Raises:
        InputError: all of them have one class.
    """
    x, label = np.zeros((0, access.inputs.low.size)), np.zeros(0, np.int64)
    own = x if pool is None else _inside(access.inputs, pool[rng.permutation(len(pool))[:most]])
    while len(np.unique(label)) < access.classes and len(x) < most:
        count = min(max(len(x), BATCH), most - len(x))
        mine, own = own[: count // 2], own[count // 2 :]
        more = np.concatenate([mine, _spread(access.inputs, count - len(mine), rng)])
        x, label = np.concatenate([x, more]), np.concatenate([label, ask(more)])
    if len(np.unique(label)) < 2:
        raise InputError(f"all {len(x):,} queries were class {label[0]}: give a pool with another, or a larger search.")
    return x, label


def _spread(inputs: Inputs, queries: int, rng: np.random.Generator) -> Float[np.ndarray, "query feature"]:
    """A third uniform, a third corners of the box, a third near its lower end: weights of one sign need extremes.

    Of 124 victims 97 are stolen by uniform ones alone, not 102.
    """
    even = uniform(inputs, queries, rng).reshape(queries, -1)
    low, high = inputs.low.ravel(), inputs.high.ravel()
    share, coin = rng.random((queries, 1)), rng.random((queries, low.size))
    kinds = even, np.where(coin < share, high, low), low + share * coin * (high - low)
    some = np.choose((np.arange(queries) % 3)[:, None], kinds)
    return _inside(inputs, np.where(inputs.categories.ravel() > 0, even, some))


def _inside(inputs: Inputs, x: np.ndarray) -> Float[np.ndarray, "query feature"]:
    """Numbers a little nearer to the middle of their range, so that each can be moved both ways."""
    x, middle = np.asarray(x, np.float64).reshape(len(x), -1), ((inputs.low + inputs.high) / 2).ravel()
    return np.where(inputs.categories.ravel() > 0, x, middle + INNER * (x - middle))


def _meetings(ask: Ask, x: np.ndarray, label: np.ndarray, access: Access, rng: np.random.Generator) -> Meetings:
    """Where segments between every two classes cross a boundary.

    Raises:
        InputError: no segment crosses one.
    """
    classes = np.unique(label)
    pairs = np.repeat(list(combinations(classes, 2)), CANDIDATES if access.inputs.categories.any() else 1, axis=0)
    a, b = (np.array([rng.choice(np.flatnonzero(label == c)) for c in side]) for side in pairs.T)
    meetings = _cross(ask, x[a], x[b], label[a], label[b], access)
    if not len(meetings.own):
        raise InputError("only categories were found to change the label: choose adaptive-retraining.")
    return meetings


def _cross(ask: Ask, a: np.ndarray, b: np.ndarray, own: np.ndarray, other: np.ndarray, access: Access) -> Meetings:
    """Boundaries on the segments from a to b, along which only numbers change; the first for every two classes."""
    categories = access.inputs.categories.ravel() > 0
    if categories.any() and len(a):
        b = np.where(categories, a, b)
        other = ask(b)
    first = np.unique(np.sort([own, other], axis=0), axis=1, return_index=True)[1]
    first = first[own[first] != other[first]]
    a, b, own, other = a[first], b[first], own[first], other[first]
    crossing = bisect(ask, a, b, own, PRECISIONS[access.precision].depth, label=other)
    return Meetings(along(a, b, crossing.share), b - a, own, crossing.label)


def _join(
    ask: Ask, value: np.ndarray, edges: Meetings, meetings: Meetings, access: Access, rng: np.random.Generator
) -> tuple[Stolen, bool, BudgetSpent | None]:
    """A model of all classes, whether its factors decide every label, and why the search ended early.

    Where the factors are open, points are tried at which two classes that have not met are the likeliest. Which of its
    neighbours in the tree a class beats does not depend on the factors: where no such points are, they decide nothing.
    """
    code = encoding(access.inputs)
    for _ in range(access.classes):
        points = code(meetings.point.reshape(-1, *access.inputs.shape)).reshape(len(meetings.own), -1)
        meeting = np.pad(points, ((0, 0), (0, 1)), constant_values=1.0), meetings.own, meetings.other
        weight, fixed = join(value, edges.own, edges.other, meeting, access.classes)
        stolen = _as_model(weight, access, np.concatenate([edges.own, edges.other]))
        x = value[:0] if fixed else _contested_points(stolen, meetings, access, rng)
        if not len(x):
            return stolen, True, None
        try:
            label = ask(x)
            more = _cross(ask, x[:-1], x[1:], label[:-1], label[1:], access)
        except BudgetSpent as refusal:
            return stolen, False, refusal
        if not len(more.own):
            break
        meetings = meetings.join(more)
    return stolen, False, None


def _contested_points(
    stolen: Stolen, meetings: Meetings, access: Access, rng: np.random.Generator
) -> Float[np.ndarray, "query feature"]:
    """Points whose two likeliest classes have not met, all of the same two, from one class to the other; none if none."""
    x = _spread(access.inputs, SAMPLES, rng)
    logit = stolen.logits(x.reshape(-1, *access.inputs.shape))
    two = np.sort(np.argsort(logit, axis=1)[:, -2:], axis=1)
    pair, met = two @ [access.classes, 1], np.sort([meetings.own, meetings.other], axis=0).T @ [access.classes, 1]
    fresh = pair[~np.isin(pair, met)]
    if not len(fresh):
        return x[:0]
    rows = np.flatnonzero(pair == np.bincount(fresh).argmax())
    gap = logit[rows, two[rows, 0]] - logit[rows, two[rows, 1]]
    spaced = np.linspace(0, len(rows) - 1, min(CONTESTED, len(rows))).round().astype(int)
    return x[rows[np.argsort(gap)[spaced]]]


def _as_model(weight: Float[np.ndarray, "cls feature"], access: Access, classes: np.ndarray) -> Stolen:
    """Softmax regression with such weights, which answers these classes alone."""
    code = encoding(access.inputs)
    model = on_queries(network(SOFTMAX, code.shape, access.classes), access.inputs.shape, code.categories)
    bias = weight[:, -1].copy()
    absent = np.setdiff1d(np.arange(access.classes), classes)
    bias[absent] = bias.min() - 2 * np.abs(weight).sum(axis=1).max()
    own = {"layers.0.kernel": weight[:, :-1].T, "layers.0.bias": bias}
    return Stolen(model, {"center": code.center, "scale": code.scale, **own})

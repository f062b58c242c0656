"""Where to ask for rounded answers: they tell most where confidences are neither 0 nor 1, and queries are large.

`scout` looks for a place to ask around, and how far from it. `place` puts further queries by the weights so far: a
corner of the documented range is moved to where they put every class but the largest halfway between two rounded
values, and those queries are asked of which most classes are expected there within their uncertainty: each such class
halves what is consistent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import softmax

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.bounds import Bounds, Consistent, bounds, together, variances
from jaxattack.attacks.extraction.equations.features import Columns
from jaxattack.attacks.extraction.equations.terms import equations, resolution
from jaxattack.types import Access, BudgetSpent, Inputs, Oracle

SCALES = tuple(0.5**i for i in range(4))
"""How far from their middle to the corners scouts are put."""
SCOUTS = 2
BALANCED = 0.05
"""Scouts are all saturated where the variance p (1 - p), summed over classes, is nowhere larger."""
SEGMENT, HALVINGS = 16, 6
INSIDE = 0.9
"""Corners are drawn so far towards the middle before they are moved, which leaves room to move."""
POOL, WORK = 6000, 2**35
"""Queries to choose from, fewer where their variances take more than so many multiplications."""


class Asked(NamedTuple):
    """What was answered so far.

    Attributes:
        said: the bounds.
        spent: what ended the asking early; None where nothing did.
    """

    said: Bounds
    spent: BudgetSpent | None = None


class Around(NamedTuple):
    """Where queries are asked.

    Attributes:
        anchor: the query in the middle of them.
        scale: how far from it they are, as a share of half the documented range.
        edges: whether they are corners of that range about the anchor, or lie anywhere in it.
    """

    anchor: Shaped[np.ndarray, "*feature"]
    scale: float
    edges: bool

    def draw(self, inputs: Inputs, queries: int, rng: np.random.Generator) -> Float[np.ndarray, "query *feature"]:
        """Random queries; of categories any value, or the anchor's."""
        x = uniform(inputs, queries, rng)
        apart = x - (inputs.low + inputs.high) / 2
        if self.edges:
            apart = np.where(apart < 0, -0.5, 0.5) * (inputs.high - inputs.low)
        category = np.where(rng.random(x.shape) < self.scale, x, self.anchor)
        numeric = np.clip(self.anchor + self.scale * apart, inputs.low, inputs.high)
        return np.where(inputs.categories > 0, category, numeric)


def more(oracle: Oracle, columns: Columns, asked: Asked | None, x: Shaped[np.ndarray, "query *feature"]) -> Asked:
    """With the answers to more queries, as many as the budget holds.

    Raises:
        BudgetSpent: it holds none, and nothing was asked before.
    """
    spent = None
    try:
        answer = oracle(x)
    except BudgetSpent as error:
        spent, x = error, x[: error.left]
        if not len(x):
            if asked is None:
                raise
            return asked._replace(spent=spent)
        answer = oracle(x)
    said = bounds(oracle.access, columns(x), answer)
    return Asked(said if asked is None else together(asked.said, said), spent)


def scout(oracle: Oracle, columns: Columns, most: int, rng: np.random.Generator) -> tuple[Asked, Around]:
    """Find where to ask; the queries count.

    Scouts are drawn around the middle at every scale, corners where the feature map is linear. Where they are all
    saturated but not of one class, the segment between two of unequal classes is searched for a balanced answer, to ask
    around that.

    Args:
        oracle: answers.
        columns: its feature map.
        most: scouts at first.
        rng: draws them.

    Raises:
        BudgetSpent: the budget holds no query.
    """
    inputs = oracle.access.inputs
    middle = np.where(inputs.categories > 0, 0.0, (inputs.low + inputs.high) / 2)
    around = Around(middle, SCALES[0], columns.features == "linear")
    x = _scouts(inputs, around, rng)[:most]
    asked = more(oracle, columns, None, x)
    told = _variance(asked.said)
    if told.max() > BALANCED or asked.spent is not None:
        return asked, around._replace(scale=_best(told))
    top = np.nan_to_num(asked.said.middle, nan=-np.inf).argmax(axis=1)
    if (top == top[0]).all():
        return asked, around
    near, far = x[0], x[np.flatnonzero(top != top[0])[0]]
    for _ in range(HALVINGS):
        shares = np.linspace(0, 1, SEGMENT + 2)[1:-1].reshape(-1, *[1] * near.ndim)
        line = np.where(inputs.categories > 0, np.where(shares < 0.5, near, far), near + shares * (far - near))
        had = len(asked.said.middle)
        asked = more(oracle, columns, asked, line)
        fresh = asked.said._replace(middle=asked.said.middle[had:])
        if asked.spent is not None:
            return asked, around
        told = _variance(fresh)
        if told.max() > BALANCED:
            near = line[told.argmax()]
            break
        ends = np.concatenate([near[None], line, far[None]])
        change = int(np.argmax(np.append(np.nan_to_num(fresh.middle, nan=-np.inf).argmax(axis=1), -1) != top[0]))
        near, far = ends[change], ends[change + 1]
    had = len(asked.said.middle)
    asked = more(oracle, columns, asked, _scouts(inputs, around._replace(anchor=near), rng))
    told = _variance(asked.said._replace(middle=asked.said.middle[had:]))
    return asked, around._replace(anchor=near, scale=_best(told) if asked.spent is None else around.scale)


def _scouts(inputs: Inputs, around: Around, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([around._replace(scale=scale).draw(inputs, SCOUTS, rng) for scale in SCALES])


def _variance(said: Bounds) -> Float[np.ndarray, "query"]:
    """p (1 - p) of each answer, summed over classes; of logits 1."""
    if said.space == "logit":
        return np.ones(len(said.middle))
    share = np.nan_to_num(np.exp(said.middle) if said.space == "logarithm" else said.middle)
    return (share * (1 - share)).sum(axis=1)


def _best(told: Float[np.ndarray, "query"]) -> float:
    """The scale whose scouts say most of the weights: their variance times the scale squared."""
    worth = [scale**2 * told[at * SCOUTS : (at + 1) * SCOUTS].sum() for at, scale in enumerate(SCALES)]
    return SCALES[int(np.argmax(worth))]


def place(
    access: Access,
    columns: Columns,
    asked: Asked,
    found: Consistent,
    around: Around,
    count: int,
    rng: np.random.Generator,
) -> Shaped[np.ndarray, "query *feature"]:
    """Queries that halve the weights that are consistent.

    Args:
        access: the victim's terms.
        columns: its feature map.
        asked: what was answered so far.
        found: the weights so far.
        around: where they are drawn, before they are moved.
        count: how many to place.
        rng: draws them.
    """
    work = asked.said.columns.shape[1] ** 2 * asked.said.basis.shape[1] ** 2
    pool = max(min(POOL, WORK // work), 4 * count)
    x = around._replace(scale=INSIDE * around.scale).draw(access.inputs, pool, rng)
    if columns.folds:
        x = moved(access, columns, found.weight, x)
    whole = np.concatenate([columns(x), np.ones((len(x), 1))], axis=1)
    variance, value = variances(asked.said, found, whole)
    near = np.exp(-0.5 * (value - between(access, value)) ** 2 / np.maximum(variance, 1e-30))
    if access.top:
        near = np.where(value >= np.sort(value, axis=1)[:, -access.top, None], near, 0.0)
    return x[np.argsort(-near.sum(axis=1), kind="stable")[:count]]


def between(access: Access, value: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "query cls"]:
    """Values halfway between two rounded ones, each less than half a step away."""
    step = 2 * resolution(access)
    return (np.floor(value / step) + 0.5) * step


def moved(
    access: Access,
    columns: Columns,
    weight: Float[np.ndarray, "column cls"],
    x: Shaped[np.ndarray, "query *feature"],
) -> Shaped[np.ndarray, "query *feature"]:
    """Queries moved as little as puts all confidences but the largest, or all logits, halfway between rounded values.

    Args:
        access: the victim's terms.
        columns: the linear feature map.
        weight: its weights, the constant last.
        x: queries; what would leave the documented range is put on its edge.
    """
    logit = columns(x) @ weight[:-1] + weight[-1]
    if access.level == "logit":
        aim = between(access, logit)
    else:
        share = softmax(logit, axis=1)
        largest = np.arange(access.classes) == share.argmax(axis=1)[:, None]
        target = np.where(largest, 0.0, between(access, share))
        target = np.where(largest, 1 - target.sum(axis=1, keepdims=True), target)
        possible = target.min(axis=1, keepdims=True) > 0
        aim = np.where(possible, np.log(np.where(possible, target, 1.0)), logit)
    basis = equations(access)
    step = np.zeros((len(x), len(columns.varies)))
    step[:, columns.varies] = (aim - logit) @ basis @ np.linalg.pinv(weight[:-1] @ basis)
    return np.clip(x + step.reshape(x.shape) * columns.coding.scale, access.inputs.low, access.inputs.high)

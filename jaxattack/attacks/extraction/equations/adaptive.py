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

from jaxattack.attacks.extraction.asking import ask_most, uniform
from jaxattack.attacks.extraction.equations.bounds import Bounds, Estimate, bounds, together, variances
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


class Observations(NamedTuple):
    """What was answered so far.

    Attributes:
        bounds: the bounds.
        refusal: what ended the asking early; None where nothing did.
    """

    bounds: Bounds
    refusal: BudgetSpent | None = None


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


def more(
    oracle: Oracle, columns: Columns, observations: Observations | None, x: Shaped[np.ndarray, "query *feature"]
) -> Observations:
    """With the answers to more queries, as many as the budget holds.

    Raises:
        BudgetSpent: it holds none, and nothing was asked before.
    """
    answer, count, refusal = ask_most(oracle, x)
    if answer is None:
        if observations is None and refusal is not None:
            raise refusal
        assert observations is not None
        return observations._replace(refusal=refusal)
    fresh = bounds(oracle.access, columns(x[:count]), answer)
    return Observations(fresh if observations is None else together(observations.bounds, fresh), refusal)


def scout(oracle: Oracle, columns: Columns, most: int, rng: np.random.Generator) -> tuple[Observations, Around]:
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
    observations = more(oracle, columns, None, x)
    variance = _variance(observations.bounds)
    if variance.max() > BALANCED or observations.refusal is not None:
        return observations, around._replace(scale=_best(variance))
    top = np.nan_to_num(observations.bounds.middle, nan=-np.inf).argmax(axis=1)
    if (top == top[0]).all():
        return observations, around
    near, far = x[0], x[np.flatnonzero(top != top[0])[0]]
    for _ in range(HALVINGS):
        shares = np.linspace(0, 1, SEGMENT + 2)[1:-1].reshape(-1, *[1] * near.ndim)
        line = np.where(inputs.categories > 0, np.where(shares < 0.5, near, far), near + shares * (far - near))
        so_far = len(observations.bounds.middle)
        observations = more(oracle, columns, observations, line)
        fresh = observations.bounds._replace(middle=observations.bounds.middle[so_far:])
        if observations.refusal is not None:
            return observations, around
        variance = _variance(fresh)
        if variance.max() > BALANCED:
            near = line[variance.argmax()]
            break
        ends = np.concatenate([near[None], line, far[None]])
        change = int(np.argmax(np.append(np.nan_to_num(fresh.middle, nan=-np.inf).argmax(axis=1), -1) != top[0]))
        near, far = ends[change], ends[change + 1]
    so_far = len(observations.bounds.middle)
    observations = more(oracle, columns, observations, _scouts(inputs, around._replace(anchor=near), rng))
    variance = _variance(observations.bounds._replace(middle=observations.bounds.middle[so_far:]))
    return observations, around._replace(
        anchor=near, scale=_best(variance) if observations.refusal is None else around.scale
    )


def _scouts(inputs: Inputs, around: Around, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([around._replace(scale=scale).draw(inputs, SCOUTS, rng) for scale in SCALES])


def _variance(limits: Bounds) -> Float[np.ndarray, "query"]:
    """p (1 - p) of each answer, summed over classes; of logits 1."""
    if limits.space == "logit":
        return np.ones(len(limits.middle))
    share = np.nan_to_num(np.exp(limits.middle) if limits.space == "logarithm" else limits.middle)
    return (share * (1 - share)).sum(axis=1)


def _best(variance: Float[np.ndarray, "query"]) -> float:
    """The scale whose scouts say most of the weights: their variance times the scale squared."""
    worth = [scale**2 * variance[at * SCOUTS : (at + 1) * SCOUTS].sum() for at, scale in enumerate(SCALES)]
    return SCALES[int(np.argmax(worth))]


def place(
    access: Access,
    columns: Columns,
    observations: Observations,
    estimate: Estimate,
    around: Around,
    count: int,
    rng: np.random.Generator,
) -> Shaped[np.ndarray, "query *feature"]:
    """Queries that halve the weights that are consistent.

    Args:
        access: the victim's terms.
        columns: its feature map.
        observations: what was answered so far.
        estimate: the weights so far.
        around: where they are drawn, before they are moved.
        count: how many to place.
        rng: draws them.
    """
    work = observations.bounds.columns.shape[1] ** 2 * observations.bounds.basis.shape[1] ** 2
    pool = max(min(POOL, WORK // work), 4 * count)
    x = around._replace(scale=INSIDE * around.scale).draw(access.inputs, pool, rng)
    if columns.folds:
        x = move_to_thresholds(access, columns, estimate.weight, x)
    design = np.concatenate([columns(x), np.ones((len(x), 1))], axis=1)
    variance, value = variances(observations.bounds, estimate, design)
    near = np.exp(-0.5 * (value - between(access, value)) ** 2 / np.maximum(variance, 1e-30))
    if access.top:
        near = np.where(value >= np.sort(value, axis=1)[:, -access.top, None], near, 0.0)
    return x[np.argsort(-near.sum(axis=1), kind="stable")[:count]]


def between(access: Access, value: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "query cls"]:
    """Values halfway between two rounded ones, each less than half a step away."""
    step = 2 * resolution(access)
    return (np.floor(value / step) + 0.5) * step


def move_to_thresholds(
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

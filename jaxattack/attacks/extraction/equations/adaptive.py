"""Where to ask for rounded answers: they tell most where confidences are neither 0 nor 1, and queries are large.

`scout` looks for a place to ask around, and how far from it. `place` puts further queries by the weights so far: corners
of the documented range are moved to where they put every class but the largest halfway between two rounded values, and
those are asked of which most classes are expected there within their uncertainty: each such class halves what is
consistent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import softmax

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.bounds import Estimate, values, variances
from jaxattack.attacks.extraction.equations.designs import balanced, nearer
from jaxattack.attacks.extraction.equations.features import Columns
from jaxattack.attacks.extraction.equations.tape import Tape
from jaxattack.attacks.extraction.equations.terms import equations, resolution, scores
from jaxattack.types import Access, Answer, Inputs

SCALES = tuple(0.5**i for i in range(4))
"""How far from their middle to the corners scouts are put."""
SCOUTS = 2
BALANCED = 0.05
"""Scouts are all saturated where the variance p (1 - p), summed over classes, is nowhere larger."""
INSIDE = 0.9
"""Corners are drawn so far towards the middle before they are moved, which leaves room to move."""
POOL = 6000
"""Queries to choose from. From few, or by a fixed uncertainty, victims of saturated answers come out with twice the error."""


class Around(NamedTuple):
    """Queries at a share of the way from an anchor to corners of the documented range or anywhere in it."""

    anchor: Shaped[np.ndarray, "*feature"]
    scale: float
    edges: bool

    def draw(self, inputs: Inputs, queries: int, rng: np.random.Generator) -> Float[np.ndarray, "query *feature"]:
        """Random queries."""
        x = uniform(inputs, queries, rng)
        corner = np.where(x < (inputs.low + inputs.high) / 2, inputs.low, inputs.high)
        x = np.where(self.edges & (inputs.categories == 0), corner, x)
        return nearer(inputs, x, self.anchor, self.scale, rng)


def scout(tape: Tape, edges: bool, most: int, rng: np.random.Generator) -> Around:
    """Find where to ask: around the middle, or a balanced query where scouts around the middle are all saturated."""
    inputs = tape.access.inputs

    def variance(answer: Answer) -> Float[np.ndarray, "query"]:
        if tape.access.level == "logit":
            return np.ones(len(answer.label))
        share = np.nan_to_num(np.exp(scores(tape.access, answer)))
        return (share * (1 - share)).sum(axis=1)

    def ask(around: Around, most: int | None = None) -> Float[np.ndarray, "query"]:
        x = np.concatenate([around._replace(scale=scale).draw(inputs, SCOUTS, rng) for scale in SCALES])
        return variance(tape.ask_most(x[:most]))

    middle = np.where(inputs.categories > 0, 0.0, (inputs.low + inputs.high) / 2)
    around = Around(middle, SCALES[0], edges)
    worth = ask(around, most)
    if worth.max(initial=0) <= BALANCED and tape.refusal is None:
        anchor = balanced(tape, lambda answer: np.maximum(variance(answer) - BALANCED, 0))
        if anchor is None:
            return around
        around = around._replace(anchor=anchor)
        worth = ask(around)
    # What scouts say of the weights: their variance times the scale squared.
    information = [s**2 * worth[i * SCOUTS : (i + 1) * SCOUTS].sum() for i, s in enumerate(SCALES)]
    return around._replace(scale=SCALES[int(np.argmax(information))])


def place(
    access: Access,
    columns: Columns,
    estimate: Estimate,
    around: Around,
    count: int,
    rng: np.random.Generator,
) -> Shaped[np.ndarray, "query *feature"]:
    """Queries that halve the weights that are consistent."""
    x = around._replace(scale=INSIDE * around.scale).draw(access.inputs, max(POOL, 4 * count), rng)
    if columns.folds:
        x = move_to_thresholds(access, columns, estimate.weight, x)
    moved = columns(x)
    value, variance = values(access, moved @ estimate.weight), variances(access, estimate, moved)
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
    """Queries moved as little as puts all confidences but the largest, or all logits, halfway between rounded values."""
    logit = columns(x) @ weight
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

"""Where to ask for rounded answers: they tell most where confidences are neither 0 nor 1, and queries are large.

`scout` looks for a place to ask around, and how far from it. `place` takes further queries by the weights so far, of random
ones those at which most classes are expected halfway between two rounded values, within their uncertainty: each such class
halves what is consistent. Corners moved to where every class but the largest is expected there tell less: of 59 thefts 39
are nearer without, their errors a fifth smaller, and 27 complete rather than 23.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.bounds import Estimate, values, variances
from jaxattack.attacks.extraction.equations.designs import balanced, nearer
from jaxattack.attacks.extraction.equations.features import Columns
from jaxattack.attacks.extraction.equations.tape import Tape
from jaxattack.attacks.extraction.equations.terms import resolution, scores
from jaxattack.types import Access, Answer, Inputs

SCALES = tuple(0.5**i for i in range(4))
"""How far from their middle to the corners scouts are put."""
SCOUTS = 2
BALANCED = 0.05
"""Scouts are all saturated where the variance p (1 - p), summed over classes, is nowhere larger."""
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
    x = around.draw(access.inputs, max(POOL, 4 * count), rng)
    row = columns(x)
    value, variance = values(access, row @ estimate.weight), variances(access, estimate, row)
    near = np.exp(-0.5 * (value - between(access, value)) ** 2 / np.maximum(variance, 1e-30))
    if access.top:
        near = np.where(value >= np.sort(value, axis=1)[:, -access.top, None], near, 0.0)
    return x[np.argsort(-near.sum(axis=1), kind="stable")[:count]]


def between(access: Access, value: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "query cls"]:
    """Values halfway between two rounded ones, each less than half a step away."""
    step = 2 * resolution(access)
    return (np.floor(value / step) + 0.5) * step

"""Asking for equations: designs of queries, and what to ask instead of answers that are saturated.

A cosine design puts n >= d + 1 queries at

    x_ij = cos(pi (2 i + 1) k_j / (2 n)),    k_j distinct in 1..n-1,

in coordinates where the documented range is -1..1. Its columns are orthogonal to each other and to the constant, and of
equal length: the linear system of d + 1 queries has condition number sqrt 2, where that of as many uniform queries has
hundreds. The k_j and the sign of each column are random.

A saturated answer (`terms.usable`) tells little more than a label. Its query is asked again, four times nearer to the
best balanced query so far, until it is none. If all are saturated, the segment between two labels is bisected for a
balanced one. Two classes saturate early, so a few scouts half way to the middle are asked first, and the rest as near to
the best balanced of them as keeps log-odds a few times larger than the scouts' within what can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy.linalg import orth, qr

from jaxattack.attacks.extraction.asking import as_read, uniform
from jaxattack.attacks.extraction.equations.tape import Tape
from jaxattack.attacks.extraction.equations.terms import floor, scores, usable
from jaxattack.types import Answer, Inputs

Draw = Callable[[Inputs, int, np.random.Generator], Shaped[np.ndarray, "query *feature"]]
"""Makes so many random queries."""

Rows = Callable[[Shaped[np.ndarray, "query *feature"]], Float[np.ndarray, "query column"]]
"""What is solved for has a weight for each of these columns of a query."""

SCOUTS = 8
"""Half way from the middle. Without them Adult takes 167 queries for 137; half and double 2% more. Of 24 regressions a quarter of the way
takes 14% more queries and all of it 8% more, for .1 and .2 of a digit less."""

NEARER, ROUNDS = 0.25, 12
"""How much nearer saturated queries are asked again, and how often: down to 1e-7 of the way.
Of 72 regressions, steep and not, all are stolen with half and double of each, and of `SPREAD`, `HALVINGS` and `SCOUTS`: half as near
1% fewer queries, double 5% more, half and double as often as many."""

SPREAD = 3
"""By how much the log-odds of all may exceed those of the scouts. Half 3% more queries; double 3% fewer, .07 of a digit less."""

RANK = 1e-10
"""The share of the largest singular value below which one is 0. Of 48 regressions, three quarters of them with categories, as many are
complete with a hundredth and ten times."""

HALVINGS = 40
"""Of two classes separated steeply (breast cancer, C 1e4) two thefts of four fail without halvings, four with two rounds. Half and
double: as many queries."""


def cosines(inputs: Inputs, queries: int, rng: np.random.Generator) -> Float[np.ndarray, "query *feature"]:
    """Queries of the cosine design; uniform ones where features are categories, or queries are too few for it."""
    moves = (inputs.high > inputs.low).ravel()
    if (inputs.categories > 0).any() or queries <= moves.sum():
        return uniform(inputs, queries, rng)
    frequency = 1 + rng.permutation(queries - 1)[: moves.sum()]
    angle = np.pi * (2 * np.arange(queries)[:, None] + 1) / (2 * queries)
    unit = np.cos(angle * frequency) * rng.choice([-1.0, 1.0], moves.sum())
    low, high = inputs.low.ravel(), inputs.high.ravel()
    x = np.tile((low + high) / 2, (queries, 1))
    x[:, moves] += unit * ((high - low) / 2)[moves]
    return np.clip(x, low, high).reshape(queries, *inputs.shape)


def independent(
    columns: Rows,
    asked: Shaped[np.ndarray, "asked *feature"],
    inputs: Inputs,
    x: Shaped[np.ndarray, "query *feature"],
    rng: np.random.Generator,
    draw: Draw = uniform,
) -> Float[np.ndarray, "query *feature"]:
    """Queries x, or as many others where values that are few make their columns dependent of each other and of what was asked.

    They are picked, by QR with pivoting, from as many random ones and such that show every value of every category: of as many
    random queries as a category has values, a third of the values are in none.
    """
    if not discrete(inputs):
        return x
    row = columns(np.concatenate([asked, as_read(inputs, x)]))
    if missing(row) <= 0:
        return x
    known = row[: len(asked)]
    queries, count = len(x), inputs.categories.ravel()
    value = np.arange(count.max(initial=0))[:, None] + rng.integers(count.max(initial=1), size=count.size)
    x = draw(inputs, len(value) + queries, rng).reshape(len(value) + queries, -1)
    x[: len(value), count > 0] = (value % np.maximum(count, 1))[:, count > 0]
    x = x.reshape(len(x), *inputs.shape)
    row = columns(x)
    if len(known):
        basis = orth(known.T, rcond=RANK)
        row = row - row @ basis @ basis.T
    factors: Any = qr(row.T, mode="r", pivoting=True)
    return x[factors[1][:queries]]


def ask_missing(tape: Tape, columns: Rows, rng: np.random.Generator) -> None:
    """Ask in place of queries that were saturated, or moved to other values because of it, until the columns are independent."""
    inputs = tape.access.inputs
    for _ in range(ROUNDS if discrete(inputs) else 0):
        asked = tape.data.x
        if tape.refusal is not None or (short := missing(columns(asked))) <= 0:
            return
        ask_design(tape, independent(columns, asked, inputs, uniform(inputs, short, rng), rng), rng)


def discrete(inputs: Inputs) -> bool:
    """Whether features have few values, of which random queries may miss some."""
    return inputs.whole or bool((inputs.categories > 0).any())


def missing(row: Float[np.ndarray, "row column"]) -> int:
    """How many more rows it takes at least until the columns are independent."""
    return row.shape[1] - int(np.linalg.matrix_rank(row, rtol=RANK))


def ask_design(tape: Tape, x: Shaped[np.ndarray, "query *feature"], rng: np.random.Generator) -> None:
    """Ask until so many answers are equations, or nothing balanced is left to ask around."""
    access = tape.access
    scouts = SCOUTS if access.classes == 2 and access.level == "probability" else 0
    anchor, share, size = None, 0.5 if scouts else 1.0, scouts or len(x)
    for round_ in range(ROUNDS):
        answer = tape.ask_most(nearer(access.inputs, x[:size], anchor, share, rng))
        if tape.refusal is not None:
            return
        x = np.concatenate([x[:size][~usable(access, answer)], x[size:]])
        if not len(x):
            return
        anchor, size = balanced(tape), len(x)
        if anchor is None:
            if round_ or not scouts:
                return
            share = 1.0
        elif scouts and not round_:
            spread = np.ptp(tape.data.target, axis=1).max()
            told = share * -np.log(floor(access))
            share = told / max(SPREAD * spread, told)
        else:
            share *= NEARER


def nearer(
    inputs: Inputs, x: np.ndarray, anchor: np.ndarray | None, share: float, rng: np.random.Generator
) -> Shaped[np.ndarray, "query *feature"]:
    """Queries so far on the way from an anchor to x, categories taken from one end or the other; without one, from the middle."""
    middle = (inputs.low + inputs.high) / 2 if anchor is None else anchor
    numeric = np.clip(middle + share * (x - middle), inputs.low, inputs.high)
    category = x if anchor is None else np.where(rng.random(x.shape) < share, x, anchor)
    return np.where(inputs.categories > 0, category, numeric)


def balanced(tape: Tape) -> Shaped[np.ndarray, "*feature"] | None:
    """The query on a tape whose answer is balanced best.

    Where all are saturated the segment between two queries of unequal labels is bisected for one that is not; None where there
    are no two, or the budget ends.
    """

    def worth(answer: Answer) -> Float[np.ndarray, "query"]:
        return np.where(usable(tape.access, answer), 1 / (1 + np.ptp(scores(tape.access, answer), axis=1)), 0)

    x, answer, inputs = tape.u, tape.answer, tape.access.inputs
    value, other = worth(answer), np.flatnonzero(answer.label != answer.label[0])
    if value.max() > 0:
        return x[value.argmax()]
    low, high = 0.0, 1.0
    for _ in range(HALVINGS if len(other) else 0):
        share = (low + high) / 2
        category = x[0] if share < 0.5 else x[other[0]]
        middle = np.where(inputs.categories > 0, category, x[0] + share * (x[other[0]] - x[0]))
        one = tape.ask_most(middle[None])
        if tape.refusal is not None:
            return None
        if worth(one)[0] > 0:
            return middle
        low, high = (share, high) if one.label[0] == answer.label[0] else (low, share)
    return None

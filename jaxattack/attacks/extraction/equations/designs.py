"""Asking for equations: designs of queries, and what to ask instead of answers that are saturated.

A cosine design puts n >= d + 1 queries at

    x_ij = cos(pi (2 i + 1) k_j / (2 n)),    k_j distinct in 1..n-1,

in coordinates where the documented range is -1..1. Its columns are orthogonal to each other and to the constant, and of
equal length: the linear system of d + 1 queries has condition number sqrt 2, where that of as many uniform queries has
hundreds. The k_j and the sign of each column are random.

A saturated answer (`terms.usable`) tells little more than a label. Its query is drawn again, four times nearer to the
best balanced query so far, until it is none. If all are saturated, the segment between two labels is searched first.
Two classes saturate early, so a few scouts half way to the middle are asked first, and the rest as near to the best
balanced of them as keeps log-odds a few times larger than the scouts' within what can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from jaxattack.attacks.extraction.asking import ask_most, uniform
from jaxattack.attacks.extraction.equations.terms import floor, scores, usable
from jaxattack.types import Access, Answer, BudgetSpent, ExtractionAttack, Inputs, Oracle

SCOUTS = 8
"""Without them the linear rows of benchmarks/extraction.py stay exact, but Adult takes 167 queries for 137."""

NEARER = 0.25
ROUNDS = 12
SPREAD = 3
_GRID = 16


class Equations(NamedTuple):
    """Queries whose answers are equations.

    Attributes:
        x: ["query *feature"].
        score: Float["query cls"], finite logits or ln p.
        saturated: how many other queries were wasted.
        refusal: what stopped the asking early; None where nothing did.
    """

    x: Shaped[np.ndarray, "query *feature"]
    score: Float[np.ndarray, "query cls"]
    saturated: int = 0
    refusal: BudgetSpent | None = None

    def __add__(self, other: Equations) -> Equations:
        return Equations(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.score, other.score]),
            self.saturated + other.saturated,
            self.refusal or other.refusal,
        )

    def after(self, saturated: int) -> Equations:
        """The same, with so many queries wasted before."""
        return self._replace(saturated=self.saturated + saturated)


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


def ask(
    attack: ExtractionAttack, oracle: Oracle, draw: Callable[[int], np.ndarray], queries: int, rng: np.random.Generator
) -> Equations:
    """Ask for so many answers that are equations.

    Args:
        attack: asks.
        oracle: answers.
        draw: so many queries -> queries.
        queries: wanted; fewer where the budget holds fewer but enough for the attack.
        rng: decides what replaces saturated queries.

    Raises:
        InputError: the budget is too small for the attack.
    """
    x, access = draw(queries), oracle.access
    if access.classes > 2 or access.level == "logit":
        return _replace_saturated(oracle, *_afford(attack, oracle, x, 0), rng)[0]
    middle = (access.inputs.low + access.inputs.high) / 2
    first = np.where(access.inputs.categories > 0, x[:SCOUTS], (x[:SCOUTS] + middle) / 2)
    scouts, round_ = _replace_saturated(oracle, *_afford(attack, oracle, first, 0), rng)
    if not len(scouts.x) and scouts.refusal is None:
        return _replace_saturated(oracle, *_afford(attack, oracle, x, 0), rng)[0].after(scouts.saturated)
    if scouts.refusal is not None or queries <= SCOUTS:
        return scouts
    spread = np.ptp(scouts.score, axis=1).max()
    share = min(1.0, NEARER**round_ / 2 * -np.log(floor(access)) / (SPREAD * max(spread, 1e-300)))
    nearer = _nearer(access, scouts, x[SCOUTS:], share, rng)
    return scouts + _replace_saturated(oracle, *_afford(attack, oracle, nearer, len(scouts.x)), rng, scouts)[0]


def _afford(attack: ExtractionAttack, oracle: Oracle, x: np.ndarray, so_far: int) -> tuple[np.ndarray, Answer]:
    """Queries and their answers, as many as the budget holds if those and what was had before are enough."""
    answer, count, refusal = ask_most(oracle, x)
    if refusal is not None and so_far + count < attack.needs(oracle.access):
        raise refusal
    return x[:count], oracle(x[:0]) if answer is None else answer


def _replace_saturated(
    oracle: Oracle, x: np.ndarray, answer: Answer, rng: np.random.Generator, near: Equations | None = None
) -> tuple[Equations, int]:
    """What was asked, saturated queries replaced by ones nearer to the best balanced; and how many rounds that took."""
    access = oracle.access
    fine = usable(access, answer)
    system = Equations(x[fine], scores(access, answer)[fine], int((~fine).sum()))
    saturated, round_ = x[~fine], 0
    try:
        if len(saturated) == len(x) and near is None:
            system += _between(oracle, saturated, answer.label)
        while len(saturated) and round_ < ROUNDS and (near is not None or len(system.x)):
            round_ += 1
            x = _nearer(access, near or system, saturated, NEARER**round_, rng)
            answer = oracle(x)
            fine = usable(access, answer)
            system += Equations(x[fine], scores(access, answer)[fine], int((~fine).sum()))
            saturated = saturated[~fine]
    except BudgetSpent as refusal:
        return system._replace(refusal=refusal), round_
    return system, round_


def _nearer(
    access: Access, system: Equations, saturated: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Queries on the way from the best balanced one to the lost ones; categories are kept from one end or the other."""
    anchor = system.x[np.ptp(system.score, axis=1).argmin()]
    numeric = anchor + share * (saturated - anchor)
    category = np.where(rng.random(saturated.shape) < share, saturated, anchor)
    return np.where(access.inputs.categories > 0, category, numeric)


def _between(oracle: Oracle, x: np.ndarray, label: np.ndarray) -> Equations:
    """Search the segment between two queries of unequal labels for answers that are no saturated ones."""
    access = oracle.access
    system = Equations(x[:0], np.zeros((0, access.classes)))
    other = np.flatnonzero(label != label[0])
    if not len(other) or (access.inputs.categories > 0).any():
        return system
    near, far = x[0], x[other[0]]
    for _ in range(ROUNDS):
        share = np.linspace(0, 1, _GRID + 2)[1:-1].reshape(-1, *[1] * near.ndim)
        line = near + share * (far - near)
        answer = oracle(line)
        fine = usable(access, answer)
        system += Equations(line[fine], scores(access, answer)[fine], int((~fine).sum()))
        if fine.any():
            break
        ends = np.concatenate([near[None], line, far[None]])
        change = int(np.argmax(np.append(answer.label, -1) != label[0]))
        near, far = ends[change], ends[change + 1]
    return system

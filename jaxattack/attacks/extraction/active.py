"""Active learning: which records of a pool are worth a query (Chandrasekaran et al. 2020; ActiveThief, Pal et al. 2020).

    random        records in random order: the baseline
    uncertainty   the largest entropy of the substitute's confidences
    margin        the smallest difference between its two largest confidences
    k-center      greedily the record farthest from everything asked, in the space of the substitute's confidences
    deepfool      the nearest to the substitute's boundary, by `jaxattack.perturb.deepfool` (DFAL, Ducoffe and Precioso 2018)
    adversarial   the records of least margin, moved until the substitute sees another record, and that is asked
                  (FeatureFool of CloudLeak, Yu et al. 2020)

Two names joined by ``+``, as in ``deepfool+k-center``, choose in two steps: the first narrows the pool to as many records
as the whole budget, the second picks from those. The first round asks random records; then ``rounds`` rounds of equal
size each choose by the substitute of the round before, which is trained on everything asked. No record is asked twice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.extraction.campaign import PoolCampaign
from jaxattack.attacks.extraction.retraining import even
from jaxattack.attacks.extraction.rounds import Choice, Round, View, own_records
from jaxattack.attacks.extraction.substitute import PERCEPTRON, Stolen, Substitute
from jaxattack.perturb.deepfool import deepfool
from jaxattack.perturb.featurefool import featurefool
from jaxattack.types import Access, InputError, Variables, config


@config
class Active(PoolCampaign):
    """Active learning from a pool.

    Attributes:
        strategy: as in the module's table, or two joined by ``+``.
        budget: queries; at most as many as the pool has records.
        rounds: after the first; each asks as many.
        start: share of the budget that the first round asks at random.
        soft: learn from confidences where they are answered.
        substitute: what is trained.

    Raises:
        InputError: an unknown strategy, or a value out of range.
    """

    strategy: str = "deepfool+k-center"
    budget: int = 2000
    rounds: int = 9
    start: float = 0.1
    soft: bool = False
    substitute: Substitute = PERCEPTRON

    paper = "Chandrasekaran et al. 2020; Pal et al. 2020"

    def __post_init__(self) -> None:
        for part in self.steps:
            if part not in (*RANKINGS, "k-center", "random", "adversarial"):
                names = ", ".join(["random", *RANKINGS, "k-center", "adversarial"])
                raise InputError(f"strategy is {self.strategy!r}: choose {names}, or two of them joined by +.")
        if len(self.steps) > 2 or (len(self.steps) == 2 and self.steps[0] not in RANKINGS):
            raise InputError(f"strategy is {self.strategy!r}: join two, the first of {', '.join(RANKINGS)}.")
        if self.rounds < 1:
            raise InputError(f"rounds is {self.rounds}: give 1 or more.")
        if not 0 < self.start < 1:
            raise InputError(f"start is {self.start}: give a share above 0 and below 1.")
        if self.budget < 2 * (self.rounds + 1):
            raise InputError(
                f"budget is {self.budget}: {self.rounds + 1} rounds need at least {2 * (self.rounds + 1)} queries."
            )

    @property
    def steps(self) -> list[str]:
        """The strategy's parts."""
        return self.strategy.split("+")

    @property
    def name(self) -> str:
        """``active-`` and the strategy."""
        return f"active-{self.strategy}"

    def needs(self, access: Access) -> int:
        """A few records for each class."""
        return max(2 * (self.rounds + 1), 2 * access.classes)

    def plan(self, _access: Access, /) -> list[Round]:
        """A random start, then equal rounds."""
        start = min(max(round(self.start * self.budget), 1), self.budget - self.rounds)
        return [Round(start), *(Round(part) for part in even(self.budget - start, self.rounds))]

    def choose(self, view: View) -> Choice:
        """Records of the pool that were not taken yet; the memory holds those left."""
        pool = own_records(view, self.records)
        left = np.arange(len(pool)) if view.memory is None else view.memory
        if view.stolen is None:
            picks = np.sort(view.rng.permutation(len(left))[: view.queries])
        else:
            picks = self._pick(view, view.stolen, pool[left])
        rest = np.delete(left, picks)
        x = pool[left[picks]]
        if self.steps[-1] == "adversarial" and view.stolen is not None:
            x = _perturb(view, view.stolen, x)
        return Choice(x, rest)

    def _pick(self, view: View, stolen: Stolen, left: np.ndarray) -> Int[np.ndarray, "query"]:
        """Places among the records left."""
        narrow, last = self.steps if len(self.steps) == 2 else [None, *self.steps]
        among = np.arange(len(left)) if narrow is None else rank_by(narrow, view, stolen, left)[: self.budget]
        if last == "k-center":
            centres = _confidence(stolen, view.history.x)
            return among[farthest(_confidence(stolen, left[among]), centres, view.queries)]
        if last == "random":
            return among[view.rng.permutation(len(among))[: view.queries]]
        rank = rank_by("margin" if last == "adversarial" else last, view, stolen, left[among])
        return among[rank[: view.queries]]


def _confidence(stolen: Stolen, x: np.ndarray) -> Float[np.ndarray, "record cls"]:
    probability = stolen.answer(x).probability
    assert probability is not None
    return probability


def entropy(_view: View, stolen: Stolen, x: np.ndarray) -> Float[np.ndarray, "record"]:
    """Minus the entropy of the confidences: the most uncertain is the smallest."""
    probability = _confidence(stolen, x)
    return np.sum(probability * np.log(np.maximum(probability, 1e-300)), axis=1)


def margin(_view: View, stolen: Stolen, x: np.ndarray) -> Float[np.ndarray, "record"]:
    """How much larger the largest confidence is than the next."""
    top = np.sort(_confidence(stolen, x), axis=1)[:, -2:]
    return top[:, 1] - top[:, 0]


def distance(view: View, stolen: Stolen, x: np.ndarray) -> Float[np.ndarray, "record"]:
    """How far `deepfool` moves each record."""
    return deepfool(stolen.model, Variables(stolen.parameters, {}), x, view.inputs).distance


RANKINGS: dict[str, Callable[[View, Stolen, np.ndarray], Float[np.ndarray, "record"]]] = {
    "uncertainty": entropy,
    "margin": margin,
    "deepfool": distance,
}
"""What each strategy sorts the pool by, the smallest first."""


def rank_by(name: str, view: View, stolen: Stolen, x: np.ndarray) -> Int[np.ndarray, "record"]:
    """Places of the records, the one most worth a query first."""
    return np.argsort(RANKINGS[name](view, stolen, x), kind="stable")


def farthest(
    x: Float[np.ndarray, "record feature"], centre: Float[np.ndarray, "known feature"], count: int
) -> Int[np.ndarray, "count"]:
    """Greedy k-center (Sener and Savarese 2018): each next record is the farthest from all centres so far.

    Args:
        x: to choose from.
        centre: the centres at the start; at least one.
        count: how many to choose.

    Returns:
        Their places, in order; all of them where there are fewer than asked for.
    """
    squares = np.sum(x**2, axis=1)

    def to(points: np.ndarray) -> np.ndarray:
        return squares[:, None] + np.sum(points**2, axis=1)[None] - 2 * x @ points.T

    gap = np.full(len(x), np.inf)
    for start in range(0, len(centre), 256):
        gap = np.minimum(gap, to(centre[start : start + 256]).min(axis=1))
    picks = np.empty(min(count, len(x)), np.int64)
    for place in range(len(picks)):
        picks[place] = gap.argmax()
        gap = np.minimum(gap, to(x[picks[place]][None])[:, 0])
        gap[picks[place]] = -np.inf
    return picks


def _perturb(view: View, stolen: Stolen, x: np.ndarray) -> Float[np.ndarray, "query *feature"]:
    """Each record moved until the substitute sees in it a random earlier query that it labels otherwise."""
    label, labels = stolen.answer(x).label, stolen.answer(view.history.x).label
    guide = view.rng.integers(len(labels), size=len(x))
    others = [np.flatnonzero(labels != own) for own in range(view.history.target.shape[1])]
    guide = np.array(
        [others[own][g % len(others[own])] if len(others[own]) else g for own, g in zip(label, guide, strict=True)]
    )
    return featurefool(stolen.model, Variables(stolen.parameters, {}), x, view.history.x[guide], view.inputs)

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

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy.special import entr
from sklearn.metrics import pairwise_distances_argmin_min

from jaxattack.attacks.extraction.campaign import Campaign, Member, even
from jaxattack.attacks.extraction.substitute import PERCEPTRON, Stolen, Substitute
from jaxattack.perturb.deepfool import deepfool
from jaxattack.perturb.featurefool import featurefool
from jaxattack.types import Access, InputError, Inputs, at_least, config

RANKINGS: dict[str, Callable[[Stolen, np.ndarray, Inputs], Float[np.ndarray, "record"]]] = {
    "uncertainty": lambda stolen, x, _: -entr(_confidence(stolen, x)).sum(axis=1),
    "margin": lambda stolen, x, _: np.ptp(np.sort(_confidence(stolen, x), axis=1)[:, -2:], axis=1),
    "deepfool": lambda stolen, x, inputs: deepfool(stolen.model, stolen.variables, x, inputs).distance,
}
"""What each strategy sorts records by, the smallest first."""


@config
class Active(Campaign):
    """Active learning from a pool.

    Attributes:
        strategy: as in the module's table, or two joined by ``+``.
        budget: queries, for the attacker to choose; at most as many as the pool has records.
        rounds: after the first; each asks as many, and with nine as many as the first. Of 18 small thefts
            each by deepfool+k-center and uncertainty, four agree with 0.3% and 0.1% fewer records, nineteen with 0.05% fewer.
        start: share of the budget that the first round asks at random; a tenth as ActiveThief.
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
        names = ["random", *RANKINGS, "k-center", "adversarial"]
        if not {*self.steps} <= {*names}:
            raise InputError(f"strategy is {self.strategy!r}: choose {', '.join(names)}, or two of them joined by +.")
        if len(self.steps) > 2 or (len(self.steps) == 2 and self.steps[0] not in RANKINGS):
            raise InputError(f"strategy is {self.strategy!r}: join two, the first of {', '.join(RANKINGS)}.")
        at_least(1, rounds=self.rounds)
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

    def plan(self, _access: Access, /) -> list[int]:
        """A random start, then equal rounds."""
        start = min(max(round(self.start * self.budget), 1), self.budget - self.rounds)
        return [start, *even(self.budget - start, self.rounds)]

    def queries(self, member: Member) -> Iterator[np.ndarray]:
        """Records of the pool that were not taken yet."""
        left = np.arange(len(member.own))
        for queries in self.plan(member.access):
            stolen, x = member.stolen, member.own[left]
            if stolen is None:
                picks = np.sort(member.rng.permutation(len(left))[:queries])
            else:
                picks = self._pick(member, stolen, x, queries)
            left, x = np.delete(left, picks), x[picks]
            yield _perturb(member, stolen, x) if stolen is not None and self.steps[-1] == "adversarial" else x

    def _pick(self, member: Member, stolen: Stolen, x: np.ndarray, queries: int) -> Int[np.ndarray, "query"]:
        """Places among the records left."""

        def rank(name: str, x: np.ndarray) -> Int[np.ndarray, "record"]:
            return np.argsort(RANKINGS[name](stolen, x, member.access.inputs), kind="stable")

        *narrow, last = self.steps
        among = rank(narrow[0], x)[: self.budget] if narrow else np.arange(len(x))
        x = x[among]
        if last == "k-center":
            order = farthest(_confidence(stolen, x), _confidence(stolen, member.x), queries)
        elif last == "random":
            order = member.rng.permutation(len(x))
        else:
            order = rank("margin" if last == "adversarial" else last, x)
        return among[order[:queries]]


def _confidence(stolen: Stolen, x: np.ndarray) -> Float[np.ndarray, "record cls"]:
    probability = stolen.answer(x).probability
    assert probability is not None
    return probability


def farthest(
    x: Float[np.ndarray, "record feature"], centre: Float[np.ndarray, "known feature"], count: int
) -> Int[np.ndarray, "count"]:
    """Greedy k-center (Sener and Savarese 2018): places of records each farthest from all centres, those before it too."""
    gap = pairwise_distances_argmin_min(x, centre)[1]
    picks = np.empty(min(count, len(x)), np.int64)
    for place in range(len(picks)):
        pick = picks[place] = gap.argmax()
        gap = np.minimum(gap, np.linalg.norm(x - x[pick][None], axis=1))
        gap[pick] = -np.inf
    return picks


def _perturb(member: Member, stolen: Stolen, x: np.ndarray) -> Float[np.ndarray, "query *feature"]:
    """Each record moved until the substitute sees in it a random earlier query that it labels otherwise."""
    label, labels = stolen.answer(x).label, stolen.answer(member.x).label
    guide = member.rng.integers(len(labels), size=len(x))
    for place, others in enumerate(np.flatnonzero(labels != own) for own in label):
        guide[place] = others[guide[place] % len(others)] if len(others) else guide[place]
    return featurefool(stolen.model, stolen.variables, x, member.x[guide], member.access.inputs)

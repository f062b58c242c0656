"""Knockoff Nets: stealing what a victim does with records from another distribution (Orekondy et al. 2019).

    random      records of the pool in random order
    adaptive    a gradient bandit over clusters of the pool draws the cluster z of each record, pi = softmax(H):
                    H(z_t) += (r_t - mean r) (1 - pi(z_t)) / N(z_t)        N(z) counts how often z was drawn
                    H(z)   -= (r_t - mean r) pi(z) / N(z_t)                for every other z
                r is the mean of three rewards, each scaled to 0..1 over what was seen so far:
                    certainty   how much larger the victim's largest confidence is than the next
                    diversity   sum over classes of max(0, y_t - mean y): classes answered less often until then
                    loss        the substitute's cross entropy on the victim's answer, before it learnt from it

The paper's pool has labels, and its bandit draws among those; here the clusters of k-means stand in for them, so that
any records serve. The bandit draws a round's records by the policy at the round's start and learns from them in
order. Answers are learnt as they are given: confidences where the service gives them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import softmax
from sklearn.cluster import KMeans

from jaxattack.attacks.extraction.campaign import PoolCampaign
from jaxattack.attacks.extraction.retraining import even
from jaxattack.attacks.extraction.rounds import Choice, Round, View, own_records
from jaxattack.attacks.extraction.substitute import PERCEPTRON, Substitute
from jaxattack.types import Access, InputError, config

Sampling = Literal["random", "adaptive"]


@config
class Knockoff(PoolCampaign):
    """A substitute trained on a victim's answers to a pool.

    Attributes:
        strategy: random or adaptive.
        budget: queries; at most as many as the pool has records.
        rounds: equal parts of the budget, each followed by a training on everything asked.
        clusters: of the pool, among which the bandit draws.
        soft: learn from confidences where they are answered.
        substitute: what is trained.

    Raises:
        InputError: a value out of range.
    """

    strategy: Sampling = "random"
    budget: int = 5000
    rounds: int = 10
    clusters: int = 30
    soft: bool = True
    substitute: Substitute = PERCEPTRON

    paper = "Orekondy et al. 2019"

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Sampling):
            raise InputError(f"strategy is {self.strategy!r}: choose {' or '.join(get_args(Sampling))}.")
        if self.rounds < 1:
            raise InputError(f"rounds is {self.rounds}: give 1 or more.")
        if self.budget < self.rounds:
            raise InputError(f"budget is {self.budget}: {self.rounds} rounds need at least {self.rounds} queries.")
        if self.clusters < 2:
            raise InputError(f"clusters is {self.clusters}: give at least 2.")

    @property
    def name(self) -> str:
        """``knockoff-random`` or ``knockoff-adaptive``."""
        return f"knockoff-{self.strategy}"

    def needs(self, access: Access) -> int:
        """A few records for each class."""
        return max(self.rounds, 2 * access.classes)

    def plan(self, _access: Access, /) -> list[Round]:
        """Equal rounds."""
        return [Round(part) for part in even(self.budget, self.rounds)]

    def choose(self, view: View) -> Choice:
        """Records that were not asked yet."""
        pool, bandit = own_records(view, self.records), view.memory
        if bandit is None:
            bandit = _start(pool, self.clusters if self.strategy == "adaptive" else 1, view.rng)
        else:
            bandit = bandit.update(view.history.target[len(view.history.target) - len(bandit.arms) :])
        record = draw(bandit, view.queries, view.rng)
        guess = None
        if view.stolen is not None and len(record):
            guess = view.stolen.answer(pool[record]).probability
        left = bandit.left.copy()
        left[record] = False
        return Choice(pool[record], bandit._replace(left=left, arms=bandit.cluster[record], guess=guess))


class Bandit(NamedTuple):
    """A policy over clusters, and what it has seen.

    Attributes:
        cluster: Int["record"], of each record of the pool.
        left: Bool["record"], not asked yet.
        preference: Float["cluster"], H.
        count: Int["cluster"], N.
        reward: Float["query 3"], certainty, diversity and loss of everything learnt from.
        answer: Float["query cls"], everything learnt from.
        arms: Int["drawn"], clusters of the records asked last.
        guess: Float["drawn cls"], what the substitute thought of them; None before there was one.
    """

    cluster: Int[np.ndarray, "record"]
    left: Bool[np.ndarray, "record"]
    preference: Float[np.ndarray, "cluster"]
    count: Int[np.ndarray, "cluster"]
    reward: Float[np.ndarray, "query 3"]
    answer: np.ndarray
    arms: Int[np.ndarray, "drawn"]
    guess: np.ndarray | None = None

    def update(self, answer: Float[np.ndarray, "drawn cls"]) -> Bandit:
        """The bandit after the answers to what it drew last, in order."""
        answers = np.concatenate([self.answer.reshape(len(self.reward), answer.shape[1]), answer])
        reward = np.concatenate([self.reward, rewards(answer, answers, self.guess)])
        total = scaled(reward).mean(axis=1)
        preference, count = self.preference.copy(), self.count.copy()
        for place, cluster in enumerate(self.arms, start=len(total) - len(answer)):
            count[cluster] += 1
            gain = (total[place] - total[: place + 1].mean()) / count[cluster]
            policy = softmax(preference)
            preference -= gain * policy
            preference[cluster] += gain
        return self._replace(preference=preference, count=count, reward=reward, answer=answers)


def rewards(
    answer: Float[np.ndarray, "drawn cls"],
    answers: Float[np.ndarray, "query cls"],
    guess: Float[np.ndarray, "drawn cls"] | None,
) -> Float[np.ndarray, "drawn 3"]:
    """Certainty, diversity and loss of the last answers.

    Args:
        answer: the last answers.
        answers: all answers, these last.
        guess: what the substitute thought before it learnt from them; the loss is 0 without.
    """
    top = np.sort(answer, axis=1)[:, -2:]
    before = np.cumsum(answers, axis=0)[len(answers) - len(answer) :] - answer
    number = np.arange(len(answers) - len(answer), len(answers))[:, None]
    diversity = np.maximum(answer - before / np.maximum(number, 1), 0.0).sum(axis=1)
    loss = np.zeros(len(answer)) if guess is None else -np.sum(answer * np.log(np.maximum(guess, 1e-12)), axis=1)
    return np.stack([top[:, 1] - top[:, 0], diversity, loss], axis=1)


def scaled(reward: Float[np.ndarray, "query 3"]) -> Float[np.ndarray, "query 3"]:
    """Each reward from 0 to 1 over everything seen; one that never varies is 0."""
    low = reward.min(axis=0, keepdims=True)
    span = reward.max(axis=0, keepdims=True) - low
    return (reward - low) / np.where(span > 0, span, 1.0)


def draw(bandit: Bandit, queries: int, rng: np.random.Generator) -> Int[np.ndarray, "query"]:
    """Records left of clusters drawn by the policy; a cluster that is used up passes its turn to the others."""
    order = rng.permutation(np.flatnonzero(bandit.left))
    records: list[np.ndarray] = []
    while (missing := queries - sum(map(len, records))) and len(order):
        sizes = np.bincount(bandit.cluster[order], minlength=len(bandit.preference))
        policy = np.where(sizes > 0, softmax(bandit.preference), 0.0)
        turns = np.minimum(rng.multinomial(missing, policy / policy.sum()), sizes)
        mask = _first(bandit.cluster[order], turns)
        records.append(order[mask])
        order = order[~mask]
    return rng.permutation(np.concatenate([*records, np.zeros(0, np.int64)]))


def _first(cluster: Int[np.ndarray, "record"], turns: Int[np.ndarray, "cluster"]) -> Bool[np.ndarray, "record"]:
    """Which records are among the first so many of their cluster."""
    order = np.argsort(cluster, kind="stable")
    starts = np.searchsorted(cluster[order], np.arange(len(turns)))
    rank = np.empty(len(cluster), np.int64)
    rank[order] = np.arange(len(cluster)) - starts[cluster[order]]
    return rank < turns[cluster]


def _start(pool: np.ndarray, clusters: int, rng: np.random.Generator) -> Bandit:
    clusters = min(clusters, len(pool))
    cluster = np.zeros(len(pool), np.int64)
    if clusters > 1:
        means = KMeans(clusters, n_init="auto", max_iter=50, random_state=int(rng.integers(2**31)))
        cluster = means.fit_predict(pool.reshape(len(pool), -1)).astype(np.int64)
    return Bandit(
        cluster=cluster,
        left=np.ones(len(pool), bool),
        preference=np.zeros(clusters),
        count=np.zeros(clusters, np.int64),
        reward=np.zeros((0, 3)),
        answer=np.zeros((0, 0)),
        arms=np.zeros(0, np.int64),
    )

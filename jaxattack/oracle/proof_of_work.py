"""Proof of work as a price (Dziedzic et al. 2022, arXiv 2201.09243): questions that tell much take longer to be answered.

What a client has learnt is measured as PATE measures it. Teachers vote on the class of every question; noise of standard deviation
sigma on the votes would make the winner private, and what the winners of all questions would have cost, an epsilon, is what the
client has cost. Where teachers agree, as on what the owner's records are like, that is little.

    q      the chance that the noise changes the winner, at most (Papernot et al. 2018, Proposition 7)
           min(sum_(j != winner) Phi(-gap_j / (sqrt 2 sigma)), 1 - 1 / classes)
    rdp    of one question, by order (ibid., Theorem 6), where it applies; else order / sigma^2
    cost   min over orders of sum of rdp + log(1 / delta) / (order - 1), of all questions so far
    line   expected = intercept + slope * questions, fitted to benign clients
    price  of a batch of questions: base^|cost - expected| seconds, of what was asked before it

as the authors' program has them. Theirs takes Theorem 6 even where the bound order / sigma^2 is lower: a measure of what is asked,
and so no guarantee of privacy. It measures both sides: a client who asks about what all agree on pays too.

Their teachers are 250 networks trained on disjoint parts of the owner's records (sigma 10, base 1.0075; on CIFAR-10 50 networks,
sigma 2), or the nearest of the owner's records to a question (`NeighbourVotes`; sigma 28, base 1.18 on MNIST and 1.05 on SVHN).
Where the base comes from they do not say: `calibrate_work` takes the largest with which benign clients wait twice as long.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import log_ndtr, logsumexp

from jaxattack.oracle.ledger import OracleWrapper
from jaxattack.types import Answer, Bias, InputError, Ledger, Oracle, at_least, config

ORDERS: Float[np.ndarray, "order"] = np.concatenate([np.arange(2, 100, 0.5), np.logspace(2, 3, 200)])
"""Orders of Rényi divergence, the authors'."""

LONGEST = 2948.467908
"""Seconds of the hardest puzzle, 32 bits, as the authors timed it."""

Votes = Callable[[Shaped[np.ndarray, "query *feature"]], Float[np.ndarray, "query cls"]]
"""How many teachers vote for each class of a question."""


class Expected(NamedTuple):
    """What benign clients have cost after so many questions, as a line.

    Attributes:
        intercept: before the first.
        slope: a question more.
    """

    intercept: float
    slope: float

    def __call__(self, questions: Any) -> Any:
        """The cost after so many questions."""
        return self.intercept + self.slope * questions


@config
class ProofOfWork:
    """How long a client has to work for an answer.

    Attributes:
        sigma: standard deviation of the noise on votes.
        base: to the power of what a client has cost beyond what is expected, or below.
        batch: questions, for which one puzzle is solved.
        delta: of the privacy that is counted; the authors advise one over the number of the owner's records.
        shortest: seconds of a puzzle, at least.
        longest: seconds of a puzzle, at most.

    Raises:
        InputError: a value out of range.
    """

    paper: ClassVar[str] = "Dziedzic et al. 2022, arXiv 2201.09243"

    sigma: float = 28.0
    base: float = 1.0075
    batch: int = 64
    delta: float = 1e-5
    shortest: float = 0.1
    longest: float = LONGEST

    def __post_init__(self) -> None:
        at_least(1, batch=self.batch)
        if not (self.sigma > 0 and math.isfinite(self.sigma)):
            raise InputError(f"sigma is {self.sigma}: give more than 0 votes.")
        if not (self.base >= 1 and math.isfinite(self.base)):
            raise InputError(f"base is {self.base}: give 1 or more.")
        if not 0 < self.delta < 1:
            raise InputError(f"delta is {self.delta}: give a number between 0 and 1.")
        if not 0 < self.shortest <= self.longest < math.inf:
            raise InputError(
                f"shortest is {self.shortest} and longest {self.longest}: give seconds above 0, shortest at most longest."
            )

    def costs(self, votes: Float[np.ndarray, "query cls"]) -> Float[np.ndarray, "count"]:
        """What a client has cost before its first question, and after each."""
        rdp = np.vstack([np.zeros(len(ORDERS)), rdp_of_votes(votes, self.sigma)])
        return epsilon(rdp.cumsum(axis=0), self.delta)

    def seconds(self, difference: Float[np.ndarray, "batch"]) -> Float[np.ndarray, "batch"]:
        """How long the puzzle is, where what a client has cost differs so much from what is expected."""
        exponent = np.minimum(np.abs(difference) * math.log(self.base), math.log(self.longest))
        return np.clip(np.exp(exponent), self.shortest, self.longest)

    def expected(self, streams: Sequence[Float[np.ndarray, "query cls"]]) -> Expected:
        """The line through the costs of benign clients, of the votes on each one's questions.

        Raises:
            InputError: no client.
        """
        if not streams:
            raise InputError("no benign client is given: give the votes on the questions of one or more.")
        costs = [self.costs(votes) for votes in streams]
        questions = np.concatenate([np.arange(len(cost)) for cost in costs])
        slope, intercept = np.polyfit(questions, np.concatenate(costs), 1)
        return Expected(float(intercept), float(slope))

    def differences(self, votes: Float[np.ndarray, "query cls"], expected: Expected) -> Float[np.ndarray, "batch"]:
        """By how much a client's cost exceeds what is expected, before each batch of its questions."""
        before = np.arange(0, len(votes), self.batch)
        return self.costs(votes)[before] - expected(before)

    def puzzles(self, votes: Float[np.ndarray, "query cls"], expected: Expected) -> Float[np.ndarray, "batch"]:
        """Seconds for each batch of a client's questions."""
        return self.seconds(self.differences(votes, expected))


def calibrate_work(
    work: ProofOfWork, streams: Sequence[Float[np.ndarray, "query cls"]], slowdown: float = 2.0
) -> tuple[ProofOfWork, Expected]:
    """A line through the costs of benign clients, and the largest base with which none of them waits longer than that.

    Args:
        work: all but the base.
        streams: the votes on the questions of benign clients.
        slowdown: the mean puzzle of a client, of that of one whose costs are as expected (a second); the authors let benign
            clients wait up to twice as long.

    Raises:
        InputError: no client, or a slowdown not above 1.
    """
    if not slowdown > 1:
        raise InputError(f"slowdown is {slowdown}: give more than 1, which is what no base is below.")
    expected = work.expected(streams)
    differences = [work.differences(votes, expected) for votes in streams]

    def slowest(rate: float) -> float:
        scaled = replace(work, base=math.exp(rate))
        return max(float(scaled.seconds(difference).mean()) for difference in differences)

    low, high = 0.0, 1.0
    while slowest(high) < slowdown and high < 64:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if slowest(middle) <= slowdown else (low, middle)
    return replace(work, base=math.exp(low)), expected


@dataclass(frozen=True, kw_only=True, eq=False)
class NeighbourVotes:
    """The owner's records nearest to a question vote with their labels (private kNN, Zhu et al. 2020, by Dziedzic et al.).

    Attributes:
        x: the owner's records.
        y: their labels.
        classes: how many there are.
        neighbours: how many of them vote; fewer than there are records.
        embed: records to the features in which they are near, a network's last hidden layer with the authors; None for the
            records themselves.

    Raises:
        InputError: more voters than records.
    """

    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]
    classes: int
    neighbours: int = 300
    embed: Callable[[np.ndarray], Float[np.ndarray, "record width"]] | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.neighbours <= len(self.x):
            raise InputError(
                f"neighbours is {self.neighbours} and the owner has {len(self.x)} records: give 1 to that many."
            )

    def __call__(self, x: Shaped[np.ndarray, "query *feature"]) -> Float[np.ndarray, "query cls"]:
        """How many of the neighbours of each question are of each class."""
        nearest = self._index.kneighbors(self._features(x), return_distance=False)
        return (self.y[nearest][:, :, None] == np.arange(self.classes)).sum(axis=1).astype(np.float64)

    @cached_property
    def _index(self) -> Any:
        from sklearn.neighbors import NearestNeighbors  # a second, for those alone who ask for votes

        return NearestNeighbors(n_neighbors=self.neighbours).fit(self._features(self.x))

    def _features(self, x: np.ndarray) -> Float[np.ndarray, "record width"]:
        features = x if self.embed is None else self.embed(x)
        return np.asarray(features, np.float64).reshape(len(x), -1)


def priced(oracle: Oracle, work: ProofOfWork, *, votes: Votes, expected: Expected) -> Priced:
    """Let one client work for what it asks: the ledger has the seconds of its puzzles too; answers stay as they are.

    Nothing is hashed here; `jaxattack.serve.Settings.puzzle` has a server ask for real work.

    Args:
        oracle: what is asked, by one client.
        work: how long it works.
        votes: of the teachers.
        expected: what benign clients cost.
    """
    return Priced(oracle, work, votes, expected)


class Priced(OracleWrapper):
    """An oracle for whose answers a client works."""

    def __init__(self, oracle: Oracle, work: ProofOfWork, votes: Votes, expected: Expected):
        super().__init__(oracle)
        self._work, self._votes, self._line = work, votes, expected
        self._rdp, self._questions = np.zeros(len(ORDERS)), 0
        self._puzzles: list[float] = []
        self._lock = threading.Lock()

    @property
    def puzzles(self) -> tuple[float, ...]:
        """Seconds of each puzzle so far."""
        return tuple(self._puzzles)

    @property
    def cost(self) -> float:
        """What the client has cost so far."""
        return float(epsilon(self._rdp[None], self._work.delta)[0])

    @property
    def ledger(self) -> Ledger:
        """What the victim has answered so far, and what it cost, its seconds with those of the puzzles."""
        return self._oracle.ledger + Ledger(seconds=math.fsum(self._puzzles))

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        answer = self._oracle(x, bias)
        if len(x):
            with self._lock:
                self._add(np.asarray(x))
        return answer

    def _add(self, x: Shaped[np.ndarray, "query *feature"]) -> None:
        rdp = np.vstack([self._rdp, rdp_of_votes(self._votes(x), self._work.sigma)]).cumsum(axis=0)
        begins = np.arange(-self._questions % self._work.batch, len(x), self._work.batch)  # of batches
        difference = epsilon(rdp[begins], self._work.delta) - self._line(self._questions + begins)
        self._puzzles += self._work.seconds(difference).tolist()
        self._rdp, self._questions = rdp[-1], self._questions + len(x)


def epsilon(rdp: Float[np.ndarray, "count order"], delta: float) -> Float[np.ndarray, "count"]:
    """(epsilon, delta) of a Rényi guarantee: the least over orders of rdp + log(1 / delta) / (order - 1)."""
    return (rdp - math.log(delta) / (ORDERS - 1)).min(axis=1)


def rdp_of_votes(votes: Float[np.ndarray, "query cls"], sigma: float) -> Float[np.ndarray, "query order"]:
    """The Rényi divergence that the noisy winner of each vote costs, by order, as the module says."""
    log_q, variance = log_change(votes, sigma)[:, None], sigma**2
    second = np.sqrt(-variance * log_q)  # the two orders of Papernot et al. 2018, Proposition 10
    first = second + 1
    with np.errstate(divide="ignore", invalid="ignore"):  # where the theorem does not apply
        rises = log_q <= (second - 1) * second / variance - second * (
            np.log1p(1 / (first - 1)) + np.log1p(1 / (second - 1))
        )
        applies = (first > ORDERS) & (second > 1) & (-log_q > second / variance) & rises
        log_a = (ORDERS - 1) * (_log1mexp(log_q) - _log1mexp((log_q + second / variance) * (1 - 1 / second)))
        log_b = (ORDERS - 1) * (first / variance - log_q / (first - 1))
        dependent = np.logaddexp(_log1mexp(log_q) + log_a, log_q + log_b) / (ORDERS - 1)
    return np.where(applies, dependent, ORDERS / variance)


def log_change(votes: Float[np.ndarray, "query cls"], sigma: float) -> Float[np.ndarray, "query"]:
    """log q, of the chance at most that noise on the votes changes their winner; of a tie the lowest class wins."""
    winner, rows = votes.argmax(axis=1), np.arange(len(votes))
    others = log_ndtr((votes - votes[rows, winner][:, None]) / (math.sqrt(2) * sigma))
    others[rows, winner] = -np.inf
    return np.minimum(logsumexp(others, axis=1), math.log1p(-1 / votes.shape[1]))


def _log1mexp(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """log(1 - exp(x)) of x below 0, exact where x is near 0 or far from it."""
    return np.where(x < -1, np.log1p(-np.exp(np.minimum(x, -1))), np.log(-np.expm1(np.maximum(x, -1))))

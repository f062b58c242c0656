"""The robust membership-inference attack (RMIA; Zarifzadeh et al. 2024, arXiv 2312.03262).

With p(x|t) a target's confidence in a record's label and p(x) its mean over reference models, the ratio is
r(x) = p(x|t) / p(x) and the score the share of a population z that x dominates,

    score(x) = Pr_z [ r(x) / r(z) > gamma ],

counted exactly by sorting the ratios of z: O((N + Z) log Z), never a pairwise array. The continuous form keeps
log r(x) itself (BASE, Lassila et al. 2025, arXiv 2505.24089), which orders the records of one target alike and does
not tie at the top.

- Online, p(x) = (mean_in + mean_out) / 2 over the references trained on x and those not, both sides weighing the same.
- Offline, p(x) = ((1 + a) mean_out + (1 - a)) / 2 from the references not trained on x.

Everything is kept in log space. References are those of `jaxattack.attacks.membership.references`. The population is the records
themselves, with the target's own ratio at each and without its membership.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership.fits import block_of
from jaxattack.attacks.membership.joining import VOTES, check_join
from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models, require_references
from jaxattack.attacks.membership.references import (
    PROTOCOLS,
    References,
    TooFewReferences,
    check_protocol,
    choose_references,
    choose_shadows,
    model_groups,
    shared_references,
)
from jaxattack.metrics import auc, roc_curve
from jaxattack.signals import SoftmaxConfidence, TaylorConfidence
from jaxattack.threads import CACHED_VALUES, map_threads, record_blocks
from jaxattack.types import InputError, Needs, Observations, Side, Signal, config

CONFIDENCES = {"softmax": SoftmaxConfidence, "taylor": TaylorConfidence}
OFFSETS = np.linspace(0, 1, 11)  # values of a tried when it is tuned


@config
class RMIA:
    """The robust membership-inference attack.

    Attributes:
        online: whether models trained on the record are among the references.
        counting: the share of a population dominated; otherwise the log-ratio.
        gamma: how much larger a dominating ratio is, positive; the paper's is 2. Unused by the log-ratio.
        a: the offline attack's guess of how confidence rises with membership, 0 to 1, or "tuned": for target t the one
            of 0, 0.1, ..., 1 whose log-ratio has the largest AUC (query 0) when a reference, the first of models t + 2,
            t + 3, ... that is one, plays the target, and what neither may have as a reference is left out. Unused online.
        confidence: "softmax", or "taylor" for the paper's SM-Taylor.
        temperature: of the confidence, a signal of `jaxattack.signals.confidence`.
        population: how many records, evenly spaced, serve as z; all by default. Unused by the log-ratio.
        join: how queries are joined: "median" (a majority vote), "mean" or "max" of log r (see
            `jaxattack.attacks.membership.joining`); "auto" is the median online and the largest offline,
            where protocol is "leave-one-out" as published: the median for counting, else the mean.
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: a value outside its range.

    Example:
        >>> RMIA(online=True, counting=False).name
        'rmia-online-log'
    """

    family = "rmia"
    references = True

    online: bool
    counting: bool = True
    gamma: float = 2.0
    a: float | Literal["tuned"] = 0.3
    confidence: str = "softmax"
    temperature: float = 2.0
    population: int | None = None
    join: str = "auto"
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        check_join(self.join, VOTES, self.name)
        if not 0 < self.gamma < math.inf:
            raise InputError(f"gamma is {self.gamma}: give a positive number, such as 2.")
        if self.a != "tuned" and (isinstance(self.a, str) or not 0 <= self.a <= 1):
            raise InputError(f"a is {self.a!r}: give a number from 0 to 1, or 'tuned'.")
        if self.confidence not in CONFIDENCES:
            raise InputError(f"confidence is {self.confidence!r}: choose from {', '.join(CONFIDENCES)}.")
        if not 0 < self.temperature < math.inf:
            raise InputError(f"temperature is {self.temperature}: give a positive number, such as 2.")
        if self.population is not None and self.population < 1:
            raise InputError(f"population is {self.population}: give at least 1 record, or None for all.")

    @property
    def name(self) -> str:
        """``rmia-online`` or ``rmia-offline``, then ``-log`` for the log-ratio and ``-tuned`` for a tuned a."""
        tuned = "-tuned" if self.a == "tuned" and not self.online else ""
        return f"rmia-{'online' if self.online else 'offline'}{'' if self.counting else '-log'}{tuned}"

    @property
    def paper(self) -> str:
        """That which published this form."""
        return "Zarifzadeh et al. 2024, arXiv 2312.03262" if self.counting else "Lassila et al. 2025, arXiv 2505.24089"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The log confidence at the temperature."""
        return (CONFIDENCES[self.confidence](temperature=self.temperature),)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """One reference a side; a tuned a also wants one beside the reference that plays the target."""
        if self.online:
            return Needs(sides={"in": 1, "out": 1}, protocol=self.protocol)
        return Needs(sides={"out": 2 if self.a == "tuned" else 1}, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target.

        Several queries of x are joined, and compared with the first of each z.

        Args:
            observations: with the log confidence; any number of queries, the same for every model.
            targets: the models under attack; all by default.

        Returns:
            Shares, 0 to 1, or log-ratios; finite.

        Raises:
            TooFewReferences: fewer than three models; records that some target leaves without a reference not trained on
                them, or online trained on them.
            InputError: NaN or infinite log confidences; a population larger than the records.
        """
        require_models(observations, self.name)
        signal = read_signal(observations, self.signals[0])
        models = read_targets(observations, targets)
        if self.population is not None and self.population > observations.records:
            raise InputError(
                f"population is {self.population} and there are {observations.records} records: give at most as many."
            )
        references = choose_references(observations.member, models, self.protocol)
        sides = require_references(observations.member, references, self.needs(observations.models), self.name)
        ratio, first = self._log_ratios(signal, sides, references, self._offset(signal, observations.member, models))
        if not self.counting:
            return ratio
        size = self.population or observations.records
        z = np.linspace(0, observations.records - 1, size).round().astype(int)
        return np.stack(map_threads(lambda i: dominance(ratio[i], first[i, z], self.gamma), range(len(models))))

    def _join(self) -> str:
        if self.join != "auto":
            return self.join
        if self.protocol == PROTOCOLS[0]:
            return "median" if self.online else "max"
        return "median" if self.counting else "mean"

    def _offset(self, signal, member, targets) -> Float[np.ndarray, "#target 1 1"]:
        """a for each target, or for all."""
        if self.online or self.a != "tuned":
            return np.full((1, 1, 1), 0.0 if self.a == "tuned" else self.a, np.float64)
        return tune_offset(signal[:, :, 0], member, self.protocol)[targets, None, None]

    def _log_ratios(
        self, signal, sides: dict[Side, Bool[np.ndarray, "model record"]], references: References, offset
    ) -> tuple[Float[np.ndarray, "target record"], Float[np.ndarray, "target record"]]:
        """log r of each record, its queries joined, and of its first query alone."""
        score = np.empty((len(references.targets), signal.shape[1]))
        first = score if signal.shape[2] == 1 else np.empty_like(score)

        join = VOTES[self._join()]
        once, twins = shared_references(references)
        targets, rows = references.targets[twins], twins.ravel()

        def block_ratios(block: slice) -> None:
            x = signal[:, block].astype(np.float64)
            part = once.of(block)
            means = part.log_means(x, block_of(sides, block))
            out = means["out"][:, None]
            if self.online:
                marginal = balanced(means["in"][:, None], out)
            else:
                marginal = raised(out, offset if len(offset) == 1 else offset[twins])
            ratio = (x[targets] - marginal).reshape(len(rows), *x.shape[1:])
            first[rows, block] = ratio[:, :, 0]
            score[rows, block] = join(ratio)

        map_threads(block_ratios, record_blocks(*signal.shape, values=CACHED_VALUES))
        return score, first


def dominance(
    log_ratio_x: Float[np.ndarray, "record"], log_ratio_z: Float[np.ndarray, "population"], gamma: float
) -> Float[np.ndarray, "record"]:
    """The share of a population that each record dominates: how often log r(x) - log gamma > log r(z).

    Equal to comparing every pair, ties included, at the cost of one sort and one binary search a record.

    Args:
        log_ratio_x: log r of the records.
        log_ratio_z: log r of the population.
        gamma: how much larger a dominating ratio is.

    Returns:
        Shares, 0 to 1.
    """
    return np.searchsorted(np.sort(log_ratio_z), log_ratio_x - math.log(gamma)) / len(log_ratio_z)


def balanced(log_in: np.ndarray, log_out: np.ndarray) -> np.ndarray:
    """Online log p(x): both sides weigh the same."""
    return np.logaddexp(log_in, log_out) - math.log(2)


def raised(log_out: np.ndarray, offset: Float[np.ndarray, "*target 1 1"]) -> np.ndarray:
    """Offline log p(x) = log (((1 + a) mean_out + (1 - a)) / 2), with a for each target."""
    floor = np.full(offset.shape, -math.inf)
    np.log(1 - offset, out=floor, where=offset < 1)
    return np.logaddexp(log_out + np.log1p(offset), floor) - math.log(2)


def tune_offset(
    log_confidence: Float[np.ndarray, "model record"],
    member: Bool[np.ndarray, "model record"],
    protocol: str,
) -> Float[np.ndarray, "model"]:
    """The offline attack's a for every target, from a reference model that plays the target.

    Args:
        log_confidence: of one query.
        member: the truth; a target's own row is not read for its own a.
        protocol: of references.

    Returns:
        For each target the value of a, the smallest of equals, with the largest AUC of log r on the model that plays it,
        at the records where it is a reference.

    Raises:
        TooFewReferences: records with too few models not trained on them beside each target's and player's groups.
        InputError: a model without members or without non-members.
    """
    models = len(member)
    group = model_groups(member, protocol)
    players = choose_shadows(group, np.arange(models))
    membership = choose_references(member, np.arange(models), protocol).includes(players, member.shape[1])
    # Products with exact zeros leave models out without a trace of them.
    others = 1.0 - (group[:, None] == group) - (group[players, None] == group)
    count = others @ ~member
    if count.min() < 1:
        raise TooFewReferences(
            f"a is 'tuned' and {int((count < 1).any(axis=0).sum())} records have too few reference models not trained "
            "on them to tune it: give a as a number, or observe more models."
        )
    mean_out = others @ np.where(member, 0.0, np.exp(log_confidence, dtype=np.float64)) / count

    def best(target: int) -> float:
        player, records = players[target], membership[target]
        x = log_confidence[player, records].astype(np.float64)
        return _best_offset(x, mean_out[target, records], member[player, records])

    return np.array(map_threads(best, range(models)))


def _best_offset(x, mean_out, member) -> float:
    mean = np.maximum(mean_out, np.finfo(float).tiny)
    areas = [auc(roc_curve(x - np.log((1 + a) * mean + (1 - a)), member)) for a in OFFSETS]
    return float(OFFSETS[int(np.argmax(areas))])

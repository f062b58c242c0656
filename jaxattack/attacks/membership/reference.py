"""Attacks that compare a target's loss with reference models' or with a population's.

The signal is the cross-entropy loss of the record itself (query 0), from phi: loss = softplus(-phi). Every model is a
target at once, its references all others.

- AttackR, AttackP: Ye et al. 2022 (arXiv 2111.09679), ranks of the loss among references and among a population.
- Calibration: Watson et al. 2022 (arXiv 2111.08440), and its online form of Sablayrolles et al. 2019
  (arXiv 1908.11229).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from jaxattack.attacks.membership.leave_one_out import leave_one_out, map_threads, record_blocks
from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models, require_references
from jaxattack.types import Observations, Side


def loss_of(phi: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The cross-entropy loss of a logit-scaled confidence, in float64."""
    return np.logaddexp(0.0, -phi.astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class AttackR:
    """Rank of the target's loss among the losses of reference models not trained on the record.

    The distribution of reference losses runs linearly through {0, the sorted losses, max}, max being the largest loss
    of any model and record. The score is one less its value at the target's loss: the level of the test that just
    calls the record a member. Where the loss ties with references, and the distribution jumps, the middle is taken.

    With few references in a balanced design the steps are coarser for the target's non-members, which have one
    reference fewer: for a target that leaks nothing the AUC is .40 at 4 models, .45 at 8, .47 at 16 and .49 at 64.
    """

    name = "attack-r"
    signals = ("phi",)
    references = True

    def needs(self, models: int) -> Mapping[Side, int]:  # noqa: ARG002 - every attack is asked alike
        """One reference that was not trained on the record."""
        return {"out": 1}

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            InputError: fewer than three models; phi NaN or infinite; records that some target leaves without a reference
                not trained on them.
        """
        require_models(observations, self.name)
        phi = read_signal(observations, "phi")[:, :, 0]
        chosen = read_targets(observations, targets)
        outs = ~observations.member
        require_references(observations.member, chosen, self.needs(observations.models), self.name)
        largest = float(loss_of(phi.min()))
        score = np.empty((len(chosen), phi.shape[1]))

        def score_block(block: slice) -> None:
            level = _levels(loss_of(phi[:, block]), outs[:, block], largest)
            score[:, block] = 1 - level[chosen]

        map_threads(score_block, record_blocks(len(phi), phi.shape[1], 1))
        return score


def _levels(
    loss: Float[np.ndarray, "model record"], outs: Bool[np.ndarray, "model record"], largest: float
) -> Float[np.ndarray, "model record"]:
    """The interpolated distribution of the other models' OUT losses at each model's own loss.

    One sort a record serves all models: in sorted order a model's neighbours are the last OUT loss below and the first
    above the run of losses equal to its own, and the model itself, being in that run, is neither.
    """
    order = np.argsort(loss, axis=0, kind="stable")
    ordered, out = (np.take_along_axis(values, order, axis=0) for values in (loss, outs))
    below, lower = _before(ordered, out, 0.0, np.maximum)
    above, upper = (found[::-1] for found in _before(ordered[::-1], out[::-1], largest, np.minimum))
    others = outs.sum(axis=0) - out
    less = below + (ordered > 0)
    at_most = 1 + others - above + (ordered >= largest)
    gap = np.where(at_most > less, 1.0, upper - lower)
    place = np.where(at_most > less, (less + at_most - 1) / 2, less - 1 + (ordered - lower) / gap)
    level = np.empty_like(loss)
    np.put_along_axis(level, order, place / (others + 1), axis=0)
    return level


def _before(ordered, out, start: float, extreme: np.ufunc):
    """How many OUT losses come before the run of equal losses around each place, and the value of the nearest."""
    first = np.ones(ordered.shape, bool)
    first[1:] = ordered[1:] != ordered[:-1]
    places = np.arange(len(ordered))[:, None]
    run = np.maximum.accumulate(np.where(first, places, 0), axis=0)
    nearest = np.full(ordered.shape, start)
    nearest[1:] = extreme.accumulate(np.where(out, ordered, start), axis=0)[:-1]
    return tuple(np.take_along_axis(values, run, axis=0) for values in (np.cumsum(out, axis=0) - out, nearest))


@dataclass(frozen=True, kw_only=True)
class AttackP:
    """Rank of the record's loss among the target's losses on a population, here the records themselves.

    The score is the share of the population with a larger loss, ties counting one half. It orders the records of one
    target as their loss does, and puts several targets on one scale.
    """

    name = "attack-p"
    signals = ("phi",)
    references = False

    def needs(self, models: int) -> Mapping[Side, int]:  # noqa: ARG002 - every attack is asked alike
        """No references."""
        return {}

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            InputError: phi NaN or infinite.
        """
        phi = read_signal(observations, "phi")[:, :, 0]
        rows = map_threads(lambda target: rankdata(phi[target]), read_targets(observations, targets))
        return (np.stack(rows, dtype=np.float64) - 0.5) / phi.shape[1]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The target's negative loss less what reference models make of the record.

    Attributes:
        online: False takes the mean over references not trained on the record (Watson et al.), True the midpoint
            between that mean and the mean over those trained on it (Sablayrolles et al.).
    """

    signals = ("phi",)
    references = True

    online: bool = False

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "calibration-online" if self.online else "calibration"

    def needs(self, models: int) -> Mapping[Side, int]:  # noqa: ARG002 - every attack is asked alike
        """One reference on each side that it reads."""
        return {"in": 1, "out": 1} if self.online else {"out": 1}

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, in nats.

        Raises:
            InputError: fewer than three models; phi NaN or infinite; records that some target leaves without a reference
                on a side it needs.
        """
        require_models(observations, self.name)
        phi = read_signal(observations, "phi")[:, :, 0]
        chosen = read_targets(observations, targets)
        sides = {"in": observations.member} if self.online else {}
        sides["out"] = ~observations.member
        require_references(observations.member, chosen, self.needs(observations.models), self.name)
        score = np.empty((len(chosen), phi.shape[1]))

        def score_block(block: slice) -> None:
            negative = -loss_of(phi[:, block])
            means = [_mean_of_others(negative, held[:, block], chosen) for held in sides.values()]
            score[:, block] = negative[chosen] - sum(means) / len(means)

        map_threads(score_block, record_blocks(len(phi), phi.shape[1], 1))
        return score


def _mean_of_others(
    values: Float[np.ndarray, "model record"], held: Bool[np.ndarray, "model record"], targets
) -> Float[np.ndarray, "target record"]:
    total = leave_one_out(np.add, 0.0, np.where(held, values, 0.0), targets)
    return total / (held.sum(axis=0) - held[targets])

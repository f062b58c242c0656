"""Attacks that compare a target's loss with reference models' or with a population's.

The signal is the cross-entropy loss of the record itself (query 0), from phi: loss = softplus(-phi). Every model is a
target at once, its references those of `jaxattack.attacks.membership.references`.

- AttackR, AttackP: Ye et al. 2022 (arXiv 2111.09679), ranks of the loss among references and among a population.
- Calibration: Watson et al. 2022 (arXiv 2111.08440), and its online form of Sablayrolles et al. 2019
  (arXiv 1908.11229).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models, require_references
from jaxattack.attacks.membership.references import (
    PROTOCOLS,
    References,
    check_protocol,
    choose_references,
    entries,
    shared_references,
)
from jaxattack.signals import Phi
from jaxattack.threads import CACHED_VALUES, map_threads, record_blocks
from jaxattack.types import Needs, Observations, Side, config


def loss_of(phi: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The cross-entropy loss of a logit-scaled confidence, in float64."""
    return np.logaddexp(0.0, -phi.astype(np.float64))


@config
class AttackR:
    """Rank of the target's loss among the losses of reference models not trained on the record.

    The distribution of reference losses runs linearly through {0, the sorted losses, max}, max being the largest loss
    of any model and record. The score is one less its value at the target's loss: the level of the test that just
    calls the record a member. Where the loss ties with references, and the distribution jumps, the middle is taken.

    Attributes:
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown protocol.
    """

    name = "attack-r"
    paper = "Ye et al. 2022, arXiv 2111.09679"
    family = "attack-r"
    signals = (Phi(),)
    references = True

    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """One reference that was not trained on the record."""
        return Needs(sides={"out": 1}, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            TooFewReferences: fewer than three models; records that some target leaves without a reference not trained on
                them.
            InputError: phi NaN or infinite.
        """
        require_models(observations, self.name)
        phi = read_signal(observations, Phi())[:, :, 0]
        models = read_targets(observations, targets)
        references = choose_references(observations.member, models, self.protocol)
        outs = require_references(observations.member, references, self.needs(observations.models), self.name)["out"]
        largest = loss_of(phi.min(keepdims=True)).item()
        score = np.empty((len(models), phi.shape[1]))

        def score_block(block: slice) -> None:
            part = references.of(block)
            levels = _levels(loss_of(phi[:, block]).T, outs[:, block].T, part, part.count(outs[:, block]).T, largest)
            score[:, block] = 1 - levels.T

        map_threads(score_block, record_blocks(len(phi), phi.shape[1], 1, CACHED_VALUES))
        return score


def _levels(
    loss: Float[np.ndarray, "record model"],
    outs: Bool[np.ndarray, "record model"],
    references: References,
    number: Int[np.ndarray, "record target"],
    largest: float,
) -> Float[np.ndarray, "record target"]:
    """The interpolated distribution of the OUT references' losses at each target's own loss.

    One sort a record serves all targets: in sorted order a target's neighbours are the last OUT reference before the run of
    losses equal to its own and the first after it, and the target itself, being in that run, is neither.

    Args:
        loss: of every model.
        outs: which of them were not trained on the record.
        references: of the targets.
        number: how many of their references were not trained on the record.
        largest: the loss that the distribution ends at.
    """
    order = np.argsort(loss, axis=1, kind="stable")
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(loss.shape[1])[None], axis=1)
    out = np.take_along_axis(outs, order, axis=1)
    ordered = np.take_along_axis(loss, order, axis=1)
    after = loss.shape[1] - 1 - place
    below, lower = _before(ordered, out, order, place, references, 0.0)
    above, upper = _before(ordered[:, ::-1], out[:, ::-1], order[:, ::-1], after, references, largest)
    own = loss[:, references.targets]
    less = below + (own > 0)
    at_most = 1 + number - above + (own >= largest)
    gap = np.where(at_most > less, 1.0, upper - lower)
    level = np.where(at_most > less, (less + at_most - 1) / 2, less - 1 + (own - lower) / gap)
    return level / (number + 1)


def _before(ordered, out, order, place, references: References, start: float):
    """How many OUT references come before the run of losses equal to each target's, and the loss of the nearest.

    Args:
        ordered: the losses in order, a record a row.
        out: which of them are of models not trained on the record.
        order: which model each is of.
        place: where each model's is.
        references: of the targets.
        start: the loss of the nearest where there is none.
    """
    first = np.ones(ordered.shape, bool)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.arange(ordered.shape[1])
    begin = np.maximum.accumulate(np.where(first, places, 0), axis=1)
    run = np.take_along_axis(begin, place[:, references.targets], axis=1)
    last = np.full(ordered.shape, -1)  # the last OUT model before each place
    last[:, 1:] = np.maximum.accumulate(np.where(out, places, -1), axis=1)[:, :-1]
    count = np.take_along_axis(np.cumsum(out, axis=1) - out, run, axis=1)
    nearest = np.take_along_axis(last, run, axis=1)
    out_of = np.empty_like(out)
    np.put_along_axis(out_of, order, out, axis=1)
    for models in references.left_out:
        count -= (models.T >= 0) & entries(out_of.T, models).T & (run > entries(place.T, models).T)
    for _ in references.left_out:  # step over models that are left out
        model = np.take_along_axis(order, nearest, axis=1)
        hit = np.any([model == models.T for models in references.left_out], axis=0)
        nearest = np.where(hit & (nearest >= 0), np.take_along_axis(last, nearest, axis=1), nearest)
    return count, np.where(nearest >= 0, np.take_along_axis(ordered, nearest, axis=1), start)


@config
class AttackP:
    """Rank of the record's loss among the target's losses on a population, here the records themselves.

    The score is the share of the population with a larger loss, ties counting one half. It orders the records of one
    target as their loss does, and puts several targets on one scale.
    """

    name = "attack-p"
    paper = "Ye et al. 2022, arXiv 2111.09679"
    family = "attack-p"
    signals = (Phi(),)
    references = False

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            InputError: phi NaN or infinite.
        """
        phi = read_signal(observations, Phi())[:, :, 0]
        rows = map_threads(lambda target: rankdata(phi[target]), read_targets(observations, targets).tolist())
        return (np.stack(rows, dtype=np.float64) - 0.5) / phi.shape[1]


@config
class Calibration:
    """The target's negative loss less what reference models make of the record.

    Attributes:
        online: False takes the mean over references not trained on the record (Watson et al.), True the midpoint
            between that mean and the mean over those trained on it (Sablayrolles et al.).
        protocol: "independent" or "leave-one-out": see `jaxattack.attacks.membership.references`.

    Raises:
        InputError: an unknown protocol.
    """

    signals = (Phi(),)
    family = "calibration"
    references = True

    online: bool = False
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)

    @property
    def name(self) -> str:
        """The name in the registry."""
        return "calibration-online" if self.online else "calibration"

    @property
    def paper(self) -> str:
        """That which published this form."""
        return "Sablayrolles et al. 2019, arXiv 1908.11229" if self.online else "Watson et al. 2022, arXiv 2111.08440"

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """One reference on each side that it reads."""
        return Needs(sides={"in": 1, "out": 1} if self.online else {"out": 1}, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, in nats.

        Raises:
            TooFewReferences: fewer than three models; records that some target leaves without a reference on a side it
                needs.
            InputError: phi NaN or infinite.
        """
        require_models(observations, self.name)
        phi = read_signal(observations, Phi())[:, :, 0]
        index = read_targets(observations, targets)
        references = choose_references(observations.member, index, self.protocol)
        sides = require_references(observations.member, references, self.needs(observations.models), self.name)
        once, twins = shared_references(references)
        owners, rows = references.targets[twins], twins.ravel()
        score = np.empty((len(index), phi.shape[1]))

        def score_block(block: slice) -> None:
            part = once.of(block)
            negative = part.prepare(-loss_of(phi[:, block]))
            some: dict[Side, np.ndarray] = {side: models[:, block] for side, models in sides.items()}
            means = [total / part.count(some[side]) for side, total in part.totals(negative, some).items()]
            score[rows, block] = (negative[owners] - np.mean(means, axis=0)[:, None]).reshape(len(rows), -1)

        map_threads(score_block, record_blocks(len(phi), phi.shape[1], 1, CACHED_VALUES))
        return score

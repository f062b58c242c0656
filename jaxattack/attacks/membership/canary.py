"""LiRA on queries that are optimised to tell in from out (Wen et al. 2023, arXiv 2210.10750, canaries in a coalmine).

The queries of a record are found on half of a sweep's models (`jaxattack.signals.CanaryQueries`). A target's references are
other models, those that were asked the same queries: the likelihoods are fitted to models on which no query was found. The
authors' code fits them to the models that it optimised on, which inflates the gap between in and out of the references and
not of the target; and it optimises the label's raw output, which a shift of all outputs changes, in place of phi.

Half of the models find queries and half judge, so that at few models LiRA on all of them may well be better. On zeros and ones
the queries themselves lose: Location-30, 12 networks, the Bayesian variance,

    LiRA on the record, all references         AUC .987    TPR at 1% FPR .746
    LiRA on the record, a fold's references        .984                  .691
    canaries at a rate of .005                     .981                  .631
    .01, .02, .05                                  .977, .964, .930      .596, .504, .319

and aiming at -10 for models out, in place of 0, makes no difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.lira import LiRA
from jaxattack.attacks.membership.observed import read_answers, read_targets
from jaxattack.signals import CanaryQueries
from jaxattack.types import Needs, Observations, Signal, config


@config
class Canary:
    """LiRA on phi of optimised queries, among references on which they were not found.

    Attributes:
        attack: how likelihoods are fitted; the paper's are online, of one variance for all records.
        count: queries of a record, as for `jaxattack.signals.CanaryQueries`; the paper's 10.
        steps: of the search.
        rate: of the search.

    Raises:
        InputError: a value out of range.
    """

    name = "canary"
    paper = "Wen et al. 2023, arXiv 2210.10750"
    family = "lira"
    references = True

    attack: LiRA = LiRA(online=True, variance="global")
    count: int = 10
    steps: int = 30
    rate: float = 0.005

    def __post_init__(self) -> None:
        self._signal()

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Phi of each query."""
        return (self._signal(),)

    def needs(self, models: int) -> Needs:
        """What the likelihoods need of a fold, in each of two."""
        own = self.attack.needs(models // 2)
        least = 2 if own.spread else 1
        return Needs(
            sides={side: 2 * max(count, least) + 1 for side, count in own.sides.items()}, protocol=own.protocol
        )

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, as `jaxattack.attacks.membership.LiRA` has them.

        Raises:
            TooFewReferences: too few models among those that were asked the same queries.
            InputError: models that are not kept, or phi NaN or infinite.
        """
        phi, folds = read_answers(observations, self._signal())
        models = read_targets(observations, targets)
        scores = np.empty((len(models), observations.records))
        for fold in np.unique(folds[models]):
            own, rows = np.flatnonzero(folds == fold), folds[models] == fold
            observed = Observations(
                signals={"phi": phi[own]}, member=observations.member[own], label=observations.label
            )
            scores[rows] = self.attack(observed, np.searchsorted(own, models[rows]).tolist())
        return scores

    def _signal(self) -> CanaryQueries:
        return CanaryQueries(count=self.count, steps=self.steps, rate=self.rate)

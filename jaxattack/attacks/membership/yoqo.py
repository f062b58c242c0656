"""One query for a record, at a point that tells models which know it from others (Wu et al. 2024, YOQO).

The point is found on the weights of half of a sweep's models (`jaxattack.signals.YoqoQuery`), and the published verdict is
whether the target answers it with the record's label. A verdict is one point of a ROC. Here the target's references, which
were asked the same point and are not those it was found on, say what the verdict is worth, record by record:

    score = log P(verdict | in) - log P(verdict | out)

in nats, each probability (k + 1/2) / (n + 1) where k of the n references on that side gave the same verdict. Points that also
fool models which know the record, or none, come out near 0. That is this project's form, not the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership.observed import read_answers, read_targets, require_references
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, choose_references
from jaxattack.signals import YoqoQuery
from jaxattack.types import Needs, Observations, Signal, config


@config
class YOQO:
    """What the label of one optimised point says.

    Attributes:
        judged: whether references judge the verdict; else the score is the verdict, 1 for a member and 0.
        steps: of the search, as for `jaxattack.signals.YoqoQuery`.
        rate: of the search.
        alpha: of the search.
        protocol: "independent" or "leave-one-out", for the references that judge: see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: a value out of range, or an unknown protocol.
    """

    name = "yoqo"
    paper = "Wu et al. 2024"
    family = "label-only"
    references = True

    judged: bool = True
    steps: int = 35
    rate: float = 0.01
    alpha: float = 2.0
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        self._signal()

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The label of the point."""
        return (self._signal(),)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """In each of two folds a model on each side, and another pair beside the target's where it judges."""
        return Needs(sides={"in": 3, "out": 3} if self.judged else {"in": 1, "out": 1}, protocol=self.protocol)

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, in nats or 0 and 1.

        Raises:
            TooFewReferences: a record lacks references on a side, among those that were asked the same points.
            InputError: models that are not kept.
        """
        answers, folds = read_answers(observations, self._signal())
        right, models = answers[:, :, 0] > 0, read_targets(observations, targets)
        if not self.judged:
            return right[models].astype(np.float64)
        scores = np.empty((len(models), observations.records))
        for fold in np.unique(folds[models]):
            own, rows = np.flatnonzero(folds == fold), folds[models] == fold
            place = np.searchsorted(own, models[rows])
            scores[rows] = self._judge(right[own], observations.member[own], place)
        return scores

    def _judge(
        self, right: Bool[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"], targets: np.ndarray
    ) -> Float[np.ndarray, "target record"]:
        """The scores of some models, all of which were asked the same points."""
        references = choose_references(member, targets, self.protocol)
        sides = require_references(member, references, Needs(sides={"in": 1, "out": 1}), self.name)
        verdict = right[targets]

        def log_probability(side: Bool[np.ndarray, "model record"]) -> Float[np.ndarray, "target record"]:
            count, agreeing = references.count(side), references.count(side & right)
            return np.log(np.where(verdict, agreeing, count - agreeing) + 0.5) - np.log(count + 1.0)

        return log_probability(sides["in"]) - log_probability(sides["out"])

    def _signal(self) -> YoqoQuery:
        return YoqoQuery(steps=self.steps, rate=self.rate, alpha=self.alpha)

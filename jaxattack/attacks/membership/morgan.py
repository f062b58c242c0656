"""Morgan (Jayaraman et al. 2021, arXiv 2005.10881): a loss within a band, at a point where noise raises it.

The smallest losses are those of easy records, members or not. With l the loss and r Merlin's ratio, the share of noisy copies
whose loss is larger, a record is called a member where

    low <= l <= high    the loss thresholds that a shadow selects at two false-positive rates
    r >= m              the ratio's threshold, selected at a third

A rule of three thresholds is one point. For a curve m slides and the band stays:

    score = r - m        within the band: 0 and above is the paper's rule
            r - m - 2    elsewhere: below all records of the band, however small their ratio

so that every threshold above -1 - m is a rule of that form. The ratio is a multiple of 1 / copies: many records tie. The
authors' code sets the two rates by hand, .22 and .30, and takes the third from the false-positive rate that is wanted. Its
.01 is the deviation of noise on inputs of their scale: on zeros and ones it does nothing. What it prints as Morgan's
false-positive rate is divided by a fixed number of records, not by those attacked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, shadows_of
from jaxattack.attacks.membership.selection import check_rate, record_thresholds
from jaxattack.signals import MerlinRatio, Phi
from jaxattack.threads import map_threads
from jaxattack.types import InputError, Needs, Observations, Signal, config


@config
class Morgan:
    """Records whose loss is in a band and whose ratio is high.

    Attributes:
        smallest: false-positive rate of the loss threshold that is the band's low end, 0 to 1.
        largest: of its high end; at least ``smallest``.
        alpha: of the ratio's threshold; None for that with the best balanced accuracy.
        classwise: whether each class has its own three thresholds.
        copies: noisy copies of a record; the authors' 100.
        sigma: standard deviation of the noise, on the record as the network takes it.
        protocol: "independent" or "leave-one-out" (the shadow is model t + 2): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: a value out of range, or an unknown protocol.
    """

    name = "morgan"
    paper = "Jayaraman et al. 2021, arXiv 2005.10881"
    family = "threshold"
    references = True

    smallest: float = 0.22
    largest: float = 0.30
    alpha: float | None = None
    classwise: bool = False
    copies: int = 100
    sigma: float = 0.01
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        check_protocol(self.protocol)
        check_rate(smallest=self.smallest, largest=self.largest, alpha=self.alpha)
        if self.smallest > self.largest:
            raise InputError(
                f"smallest is {self.smallest:g} and largest {self.largest:g}: give a band whose low end has no more false positives."
            )
        MerlinRatio(copies=self.copies, sigma=self.sigma)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The loss, and the share of copies whose loss is larger."""
        return Phi(), MerlinRatio(copies=self.copies, sigma=self.sigma)

    @property
    def queries(self) -> int:
        """Asked of a target about a record: itself, whose loss both signals read, and its copies."""
        return 1 + self.copies

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references: the shadow's own records are enough."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, -4 to 1, as the module says.

        Raises:
            TooFewReferences: fewer than three models; a shadow without members or without non-members.
            InputError: NaN or infinite signals.
        """
        require_models(observations, self.name)
        nearness, ratio = (read_signal(observations, signal)[:, :, 0].astype(np.float64) for signal in self.signals)
        nearness = -loss_of(nearness)
        label = np.unique(observations.label, return_inverse=True)[1]
        models = read_targets(observations, targets)
        shadows = shadows_of(observations.member, models, self.protocol)

        def score(row: int) -> Float[np.ndarray, "record"]:
            target, (shadow, records) = models[row], shadows[row]

            def threshold(quantity: Float[np.ndarray, "model record"], alpha: float | None):
                truth = observations.member[shadow]
                return record_thresholds(quantity[shadow], truth, label, records, alpha=alpha, classwise=self.classwise)

            least, most = threshold(nearness, self.largest), threshold(nearness, self.smallest)
            within = (least <= nearness[target]) & (nearness[target] <= most)
            return ratio[target] - threshold(ratio, self.alpha) - np.where(within, 0.0, 2.0)

        return np.stack(map_threads(score, range(len(models))))

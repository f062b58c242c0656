"""The privacy risk score (Song and Mittal, USENIX Security 2021, arXiv 2003.10595): how likely a loss is a member's.

For each class the losses of a shadow model's members and of its other records of that class are counted in bins that are equal in
the logarithm, between the least and the largest of them, and each side is divided by its own count:

    score = h_in[bin] / (h_in[bin] + h_out[bin])

It is a probability where half of the records are members. Losses outside the bins count as in the last one there; a bin in which
the shadow has nothing takes the score of the nearest lower bin that has something, else of the nearest higher. A class of which
the shadow has members alone, or none, takes the bins of all classes together. Scores are of bins: many records tie.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.membership.observed import read_signal, read_targets, require_models
from jaxattack.attacks.membership.reference import loss_of
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol, shadows_of
from jaxattack.signals import Phi
from jaxattack.threads import map_threads
from jaxattack.types import Needs, Observations, at_least, config

FLOOR = 1e-10  # nats, the authors': losses below it count as it


@config
class RiskScore:
    """The share of members among a shadow's records of the same class whose loss falls in the same bin.

    Attributes:
        bins: of the losses of a class, at least 1; the authors take 5.
        protocol: "independent" or "leave-one-out" (the shadow is model t + 2): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no bins, or an unknown protocol.
    """

    name = "risk-score"
    paper = "Song and Mittal 2021, arXiv 2003.10595"
    family = "threshold"
    signals = (Phi(),)
    references = True

    bins: int = 5
    protocol: str = PROTOCOLS[0]

    def __post_init__(self) -> None:
        at_least(1, bins=self.bins)
        check_protocol(self.protocol)

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references: the shadow's own records are enough."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target, 0 to 1.

        Raises:
            TooFewReferences: fewer than three models; a shadow without members or without non-members.
            InputError: phi NaN or infinite.
        """
        require_models(observations, self.name)
        loss = np.maximum(loss_of(read_signal(observations, Phi())[:, :, 0]), FLOOR)
        member, label = observations.member, observations.label
        chosen = read_targets(observations, targets)
        shadows = shadows_of(member, chosen, self.protocol)

        def score(row: int) -> Float[np.ndarray, "record"]:
            model, records = shadow = shadows[row]
            inside = shadow.members(member, self.name)
            return self._risks(loss[chosen[row]], label, loss[model, records], label[records], inside)

        return np.stack(map_threads(score, range(len(chosen))))

    def _risks(
        self,
        loss: Float[np.ndarray, "record"],
        label: Int[np.ndarray, "record"],
        shadow: Float[np.ndarray, "known"],
        shadow_label: Int[np.ndarray, "known"],
        member: Bool[np.ndarray, "known"],
    ) -> Float[np.ndarray, "record"]:
        """The risk of every record, by the losses of a shadow's own."""
        risks = np.empty(len(loss))
        for cls in np.unique(label):
            own = shadow_label == cls
            if member[own].all() or not member[own].any():
                own = np.ones(len(own), bool)
            risks[label == cls] = risk(loss[label == cls], shadow[own], member[own], self.bins)
        return risks


def risk(
    loss: Float[np.ndarray, "record"],
    shadow: Float[np.ndarray, "known"],
    member: Bool[np.ndarray, "known"],
    bins: int,
) -> Float[np.ndarray, "record"]:
    """The share of members in each loss's bin of a shadow's losses, as the module says; some of each side are there."""
    edges = np.geomspace(shadow.min(), shadow.max(), bins + 1)

    def bin_of(values: Float[np.ndarray, "value"]) -> Int[np.ndarray, "value"]:
        return np.searchsorted(edges[1:-1], values, side="right")

    inside, outside = (np.bincount(bin_of(shadow[side]), minlength=bins) / side.sum() for side in (member, ~member))
    filled = np.flatnonzero(inside + outside)
    nearest = filled[np.maximum(np.searchsorted(filled, np.arange(bins), side="right") - 1, 0)]
    return (inside[nearest] / (inside[nearest] + outside[nearest]))[bin_of(loss)]

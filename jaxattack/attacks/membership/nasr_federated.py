"""Nasr's white-box attack on federated learning (Nasr, Shokri and Houmansadr, S&P 2019, arXiv 1812.00910), passive and active.

The adversary keeps the parameters of several rounds (`jaxattack.training.learners.Federated`), and its network reads of a record, round by
round, the loss and the norms of the gradient in each layer, when the parameters were sent and when they came back, with the
confidences at the end and the label. Members are what any party holds. Whether the adversary looks on or moves what it sends up the loss of records belongs to
the federation: its shadows are federations of its own, in which it does the same.

Rounds are put in the order in which the record's loss fell between sending and coming back, the largest fall first: where records are
moved group by group, that brings the record's own round to the front. Layers and training are those of `nasr`, from which it differs
from the paper in the same ways: norms in place of gradients, no activations, shadows in place of known members.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.nasr import FLOOR, NETWORK
from jaxattack.attacks.membership.nsh import one_hot
from jaxattack.attacks.membership.observed import read_values
from jaxattack.signals import ConfidenceVector, RoundFeatures
from jaxattack.types import Observations, Signal, config


@config
class FederatedNasr(LearnedAttack):
    """A network over losses and gradient norms of several rounds of a federation, confidences and label.

    Attributes:
        rounds: that are read, the last ones, at least 1.
        network: how it is built and trained; its branches, if any, are of norms, losses, confidences and label.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no rounds, no shadow, a negative seed, or an unknown protocol.
    """

    name = "nasr-federated"
    paper = "Nasr et al. 2019, arXiv 1812.00910"
    family = "white-box"

    rounds: int = 5
    network: AttackNetwork = NETWORK

    def __post_init__(self) -> None:
        super().__post_init__()
        RoundFeatures(rounds=self.rounds)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What each round says, and the confidences at the end."""
        return RoundFeatures(rounds=self.rounds), ConfidenceVector()

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record _"], ...]:
        """Logarithms of the norms, the losses, all confidences, and the label as one of so many.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        values = read_values(observations, self.signals[0])[:, :, 0]
        confidence = read_values(observations, ConfidenceVector())[:, :, 0]
        ordered = by_fall(values.reshape(*values.shape[:2], self.rounds, 2, -1))
        norms = np.log10(np.maximum(ordered[..., 1:], FLOOR)).reshape(*values.shape[:2], -1)
        losses = ordered[..., 0].reshape(*values.shape[:2], -1)
        return norms, losses, confidence, one_hot(observations, confidence.shape[2])


def by_fall(
    values: Float[np.ndarray, "model record round moment value"],
) -> Float[np.ndarray, "model record round moment value"]:
    """Rounds in the order in which a record's loss, the first value, fell from their first moment to their second."""
    fall = values[..., 0, 0] - values[..., 1, 0]
    return np.take_along_axis(values, np.argsort(-fall, axis=2, kind="stable")[..., None, None], axis=2)

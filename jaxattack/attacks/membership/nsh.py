"""The network of Nasr, Shokri and Houmansadr (2018, arXiv 1807.05852), by which many defences are judged: confidences and label.

All confidences and the one-hot label each pass layers of their own, are joined, and pass more; the answer is the log odds of
membership. The network is the published one (confidences 1024-512-64, label 128-64, joined 512-256-128-64, squared error, Adam
at 1e-4, batches of 128) but for its first weights: drawn with a deviation of .01 as published, it stays at even odds for tens
of epochs, so that Glorot's are taken. On a CPU it costs a minute a target; `nsh-joined` is one network of 128 and 64 units over
confidences and label together, which finds as much on Location-30.

MemGuard, NeuGuard, SELENA and HAMP let it know half of the target's members; here it learns from shadows unless it is
``supervised``. Its official copy reads logits, SELENA's confidences; here it is confidences.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import SupervisedAttack
from jaxattack.attacks.membership.observed import read_values
from jaxattack.signals import ConfidenceVector
from jaxattack.types import Observations, config

PUBLISHED = AttackNetwork(
    branches=((1024, 512, 64), (128, 64)),
    joint=(512, 256, 128, 64),
    loss="squared",
    learning_rate=1e-4,
    epochs=100,
    batch=128,
)
JOINED = AttackNetwork(joint=(128, 64), learning_rate=1e-3)


@config
class NSH(SupervisedAttack):
    """A network over all confidences and the label.

    Attributes:
        network: how it is built and trained; its two branches, if any, are of the confidences and of the label.
        supervised: whether it is taught the target's own members, cross-fitted: two halves of the records, each scored by the
            network that was taught the other half. It needs no other model then.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow, a negative seed, or an unknown protocol.
    """

    paper = "Nasr et al. 2018, arXiv 1807.05852"
    signals = (ConfidenceVector(),)

    network: AttackNetwork = PUBLISHED

    @property
    def name(self) -> str:
        """``nsh``, or ``nsh-joined`` where confidences and label have no layers of their own."""
        return "nsh" if self.network.branches else "nsh-joined"

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record cls"], ...]:
        """All confidences, and the label as one of so many.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        confidence = read_values(observations, ConfidenceVector())[:, :, 0]
        return confidence, one_hot(observations, confidence.shape[2])


def one_hot(observations: Observations, classes: int) -> Float[np.ndarray, "model record cls"]:
    """Each record's label as one of so many, for every model the same."""
    label = np.eye(classes, dtype=np.float32)[observations.label]
    return np.broadcast_to(label, (observations.models, *label.shape))

"""Confidences, how they move, and the label (SAMIA; Yuan and Zhang, USENIX Security 2022, arXiv 2202.03335), against pruned networks.

A pruned network is fine-tuned on what it was trained on, so that members and others differ in confidence and in how it moves
(`jaxattack.signals.sensitivity`), each class of its own. The authors' network is a transformer whose tokens are the classes, with
three numbers each; here a perceptron of 128 and 64 units reads the same numbers, and no figure of this is one of theirs.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.nsh import one_hot
from jaxattack.attacks.membership.observed import read_values
from jaxattack.signals import Sensitivity
from jaxattack.types import Observations, config


@config
class SAMIA(LearnedAttack):
    """An attack network over all confidences, their sensitivities and the label.

    Attributes:
        network: how it is built and trained.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow, a negative seed, or an unknown protocol.
    """

    name = "samia"
    paper = "after Yuan and Zhang 2022, arXiv 2202.03335"
    signals = (Sensitivity(),)

    network: AttackNetwork = AttackNetwork(joint=(128, 64), learning_rate=1e-3)

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record value"], ...]:
        """Confidences and sensitivities, and the label as one of so many.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        values = read_values(observations, self.signals[0])[:, :, 0]
        return values, one_hot(observations, values.shape[2] // 2)

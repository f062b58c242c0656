"""Shadow models and an attack network for each class (Shokri et al. 2017, arXiv 1610.05820).

A shadow's confidences in the records of a class, those that it was trained on and the others, teach a network that is then shown
the target's: from all confidences, in the order of the classes, to the log odds of membership. Which classes an answer is torn
between tells more than the label's confidence alone: on Location-30 the true-positive rate at 1% false positives is .16
with one shadow and .18 with eight, against .02 of a threshold on the loss (`scripts/learned_attacks_location.py`).

Network: one hidden layer of 64 ReLU units, Adam, batches of 100 and 50 epochs, as copies of the authors' code have it; their
tiny penalty on weights (1e-6 or 1e-7) is left out, and the two outputs of their softmax are one here, which is the same
function. Their rate of .01 learns eight shadows by heart: .12 in place of .18 there, so that .003 is taken.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.observed import read_values
from jaxattack.signals import ConfidenceVector
from jaxattack.types import Observations, config


@config
class Shokri(LearnedAttack):
    """An attack network for each class, over all confidences.

    Attributes:
        network: how each is built and trained.
        shadows: how many references play the target, all in one training set; fewer where there are fewer. The paper takes
            10 to 100.
        seed: of the networks' random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow, a negative seed, or an unknown protocol.
    """

    name = "shokri"
    paper = "Shokri et al. 2017, arXiv 1610.05820"
    signals = (ConfidenceVector(),)
    by_class = True

    network: AttackNetwork = AttackNetwork()
    shadows: int = 8

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record cls"], ...]:
        """All confidences.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        return (read_values(observations, ConfidenceVector())[:, :, 0],)

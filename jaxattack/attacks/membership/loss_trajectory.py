"""The loss on the way of a distillation (Liu, Zhao, Backes and Zhang, CCS 2022, arXiv 2208.14933).

A student is taught the target's answers to records that are members of no model, and an attack network is shown its loss after
each of its passes and the target's own: members that the target has not learnt by heart are told by how late the student gets
them right (`jaxattack.signals.trajectory`). The network learns from shadows, each with a student of its own.

Network: 512, 128 and 32 ReLU units, 100 epochs, as published; by Adam in place of SGD at .01 with momentum .9. The authors' code
takes the epoch that is best on the target, and puts a softmax before a loss that has one; here it is the last, and the log odds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.trajectory import TrajectoryAttack
from jaxattack.signals import METRICS
from jaxattack.types import Observations, config

PUBLISHED = AttackNetwork(joint=(512, 128, 32), learning_rate=1e-3, decay=1e-4, epochs=100)


@config
class LossTrajectory(TrajectoryAttack):
    """An attack network over the losses of a student after each of its passes, and of the target.

    Attributes:
        network: how it is built and trained.
        passes: of the student, at least 1.
        shadows: how many references play the target, all in one training set; fewer where there are fewer.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow, no pass, a negative seed, or an unknown protocol.
    """

    name = "loss-trajectory"
    paper = "Liu et al. 2022, arXiv 2208.14933"

    network: AttackNetwork = PUBLISHED
    passes: int = 100

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record time"], ...]:
        """The losses, in the order of time.

        Raises:
            InputError: as `TrajectoryAttack.trajectory`.
        """
        return (self.trajectory(observations)[..., METRICS.index("loss")],)

"""Five numbers of every answer on the way of a distillation, as a sequence (SeqMIA; Li et al., CCS 2024, arXiv 2407.15098).

A student is taught the target's answers to records that are members of no model. The loss, the highest confidence, the deviation
of the confidences, their entropy and the modified entropy after each of its passes, and of the target last, are read by an LSTM of
50 units with attention of its last state (`jaxattack.attacks.membership.recurrent`), by Adam at .01. It learns from shadows,
each with a student of its own. Numbers are as they are, as in the authors' code, whose entropies are floored at 1e-30.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.trajectory import TrajectoryAttack
from jaxattack.signals import METRICS
from jaxattack.types import Observations, config

PUBLISHED = AttackNetwork(joint=(), recurrent=50, per_time=len(METRICS), learning_rate=0.01)


@config
class SeqMIA(TrajectoryAttack):
    """An LSTM with attention over what is read of a student after each of its passes, and of the target.

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

    name = "seqmia"
    paper = "Li et al. 2024, arXiv 2407.15098"

    network: AttackNetwork = PUBLISHED
    passes: int = 50

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record value"], ...]:
        """All numbers, in the order of time.

        Raises:
            InputError: as `TrajectoryAttack.trajectory`.
        """
        values = self.trajectory(observations)
        return (values.reshape(*values.shape[:2], -1),)

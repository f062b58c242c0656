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
from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.observed import read_values
from jaxattack.signals import METRICS, Trajectory
from jaxattack.types import InputError, Observations, Signal, at_least, config

PUBLISHED = AttackNetwork(joint=(512, 128, 32), learning_rate=1e-3, decay=1e-4, epochs=100)


@config
class LossTrajectory(LearnedAttack):
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

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, passes=self.passes)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The trajectory of so many passes."""
        return (Trajectory(passes=self.passes),)

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record time"], ...]:
        """The losses, in the order of time.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`, or values of another number of passes.
        """
        return (read_trajectory(observations, self.passes)[..., METRICS.index("loss")],)


def read_trajectory(observations: Observations, passes: int) -> Float[np.ndarray, "model record time metric"]:
    """What is read of every answer on the way, of the record itself.

    Raises:
        InputError: as `jaxattack.attacks.membership.observed.read_values`, or values of another number of passes.
    """
    values = read_values(observations, Trajectory(passes=passes))[:, :, 0]
    if values.shape[2] != (passes + 1) * len(METRICS):
        raise InputError(
            f"{Trajectory(passes=passes).name} has {values.shape[2]} values a record: give {len(METRICS)} of the model and of its "
            f"student after each of {passes} passes."
        )
    return values.reshape(*values.shape[:2], passes + 1, len(METRICS))

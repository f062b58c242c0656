"""What attacks on the way of a distillation share: the student's passes, the signal, and its values in the order of time."""

from __future__ import annotations

from abc import ABC

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.observed import read_values
from jaxattack.signals import METRICS, Trajectory
from jaxattack.types import InputError, Observations, Signal, at_least, config


@config
class TrajectoryAttack(LearnedAttack, ABC):
    """One whose networks are shown the answers of a student after each of its passes, and the target's own.

    Attributes:
        passes: of the student, at least 1.

    Raises:
        InputError: no shadow, no pass, a negative seed, or an unknown protocol.
    """

    passes: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, passes=self.passes)

    @property
    def signals(self) -> tuple[Signal, ...]:
        """The trajectory of so many passes."""
        return (Trajectory(passes=self.passes),)

    def trajectory(self, observations: Observations) -> Float[np.ndarray, "model record time metric"]:
        """The numbers of `jaxattack.signals.METRICS` at every time, of the record itself; the target's are last.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`, or values of another number of passes.
        """
        values = read_values(observations, Trajectory(passes=self.passes))[:, :, 0]
        if values.shape[2] != (self.passes + 1) * len(METRICS):
            raise InputError(
                f"{Trajectory(passes=self.passes).name} has {values.shape[2]} values a record: give {len(METRICS)} of the model "
                f"and of its student after each of {self.passes} passes."
            )
        return values.reshape(*values.shape[:2], self.passes + 1, len(METRICS))

"""What a model and its distillation say of a record on the way: one number for each time, or five (Liu et al. 2022).

A student is taught the model's answers to records that are members of no model, and is asked after each of its passes: where the
model's own loss is low because the record was a member, the student gets there later, or not at all. Of each answer five numbers
are read (Li et al. 2024, SeqMIA): the loss -log p_y, the highest confidence, the deviation of the confidences, their
entropy and the modified entropy of Song and Mittal (2021).

The student has the model's architecture and is trained by its recipe, for as many passes as are asked for, on the records set
aside (`jaxattack.audit.MembershipAudit.reserve`); it learns from what is answered, behind whatever defends the answers. The
authors' code observes augmented pictures on both sides; here records are asked about as they are.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxattack.signals.entropy import Entropy, ModifiedEntropy
from jaxattack.signals.loss import Loss
from jaxattack.signals.posterior import softmax_of
from jaxattack.signals.scores import Labels
from jaxattack.types import Sight, View, at_least, config

METRICS = ("loss", "highest", "deviation", "entropy", "modified entropy")
"""What is read of each answer, in this order."""


@config
class Trajectory:
    """What is read of a student's answers after each of its passes, then of the model's own: ["record value"].

    The values are in the order of time, `METRICS` of each.

    Attributes:
        passes: of the student, at least 1; the authors of the loss trajectory take 100, those of SeqMIA 50.

    Raises:
        InputError: no passes.
    """

    paper = "Liu et al. 2022, arXiv 2208.14933; Li et al. 2024, arXiv 2407.15098"
    queries = 1

    passes: int = 100

    def __post_init__(self) -> None:
        at_least(1, passes=self.passes)

    @property
    def sees(self) -> Sight:
        """Confidences."""
        return "probability"

    @property
    def name(self) -> str:
        """``trajectory_100`` for 100 passes."""
        return f"trajectory_{self.passes}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:
        """What is read of one answer, ["record metric"], as `jaxattack.types.DistilledSignal`."""
        p = softmax_of(view.answer(x))
        loss, entropy, modified = (signal(view, x, y, key) for signal in (Loss(), Entropy(), ModifiedEntropy()))
        return jnp.stack([loss, p.max(axis=1), p.std(axis=1), entropy, modified], axis=1)

"""What models that imitate a model say of a record that they were not trained on (Du et al. 2026, USENIX Security, IMIA).

An imitator answers as the model would if it had not been trained on the record: it is trained on half of the records, on their
labels first and then, as much, on the model's answers to them (`jaxattack.training.imitations`). Imitators come in complementary
halves, so that of each two one was not trained on the record.
"""

from __future__ import annotations

import jax

from jaxattack.signals.phi import Phi
from jaxattack.signals.scores import Labels
from jaxattack.types import InputError, Sight, View, config, number_in_name


@config
class Imitation:
    """Phi of those imitators that were not trained on the record, then of the model itself: ["record value"].

    Attributes:
        imitators: trained for each model, an even number of at least 2; the authors' README has 10, of which a record has 5.
        warmup: the share of an imitator's passes in which it learns labels alone, at least 0 and below 1; the authors' is .8
            on CIFAR-10 and CIFAR-100 and .5 on MNIST and Fashion-MNIST.

    Raises:
        InputError: an odd number of imitators, or none; a share out of range.
    """

    paper = "Du et al. 2026, USENIX Security"
    queries = 1

    imitators: int = 10
    warmup: float = 0.8

    def __post_init__(self) -> None:
        if self.imitators < 2 or self.imitators % 2:
            raise InputError(
                f"imitators is {self.imitators}: give an even number of at least 2, for complementary halves."
            )
        if not 0 <= self.warmup < 1:
            raise InputError(f"warmup is {self.warmup}: give a share of the passes of at least 0 and below 1.")

    @property
    def sees(self) -> Sight:
        """Confidences."""
        return "probability"

    @property
    def name(self) -> str:
        """``imitation_10_0.8`` for 10 imitators that learn labels in four fifths of their passes."""
        return f"imitation_{self.imitators}_{number_in_name(self.warmup)}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:
        """Phi of one answer, as `jaxattack.types.ImitationSignal`."""
        return Phi()(view, x, y, key)

"""RelaxLoss (Chen, Yu and Fritz, ICLR 2022, arXiv 2207.05801): training stops lowering the loss at a level alpha.

Passes alternate, by the mean cross entropy L of the batch:

    even passes             |L - alpha|: descent above alpha, ascent below it
    odd passes, L > alpha   L
    odd passes, else        mean of (1 - correct) H(t, p) - H(y, p): ascent, with the mass beside the label spread evenly
                            for those that are wrong; t_y = min(p_y, upper), t_k = (1 - t_y) / (C - 1)

With t held constant the gradient in the logits of the last line is onehot(y) - t for a wrong record and onehot(y) - p
for a right one. The authors' code lets gradients flow through t, which shortens them by about a quarter:
``stop_gradient=False``. The rule is on the mean of a batch, so that its size matters.
"""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.nn import log_softmax, one_hot
from jaxtyping import Float, Int

from jaxattack.training.learners.standard import weighted_mean
from jaxattack.types import InputError, above_zero, config


@config
class RelaxLoss:
    """Cross entropy that is held at a level.

    Attributes:
        alpha: the level, in nats, above 0. The paper's: 1 (CIFAR-10, ResNet-20), 3 (CIFAR-100), 0.8 (Purchase), 2.5 (Texas).
        upper: the largest confidence in the label of a softened target, above 0 and at most 1.
        stop_gradient: hold the softened targets constant; False is what the authors' code does.

    Raises:
        InputError: a value outside its range.
    """

    paper = "Chen et al. 2022, arXiv 2207.05801"
    by_record: ClassVar[bool] = False
    smooths: ClassVar[bool] = False

    alpha: float = 1.0
    upper: float = 1.0
    stop_gradient: bool = True

    def __post_init__(self) -> None:
        above_zero(alpha=self.alpha, upper=self.upper)
        if self.upper > 1:
            raise InputError(f"upper is {self.upper}: give a confidence of at most 1.")

    def __call__(self, logits, y, weight, epoch, smoothing):  # noqa: ARG002 (a loss that does not smooth)
        """As `jaxattack.training.learners.standard.Loss`."""
        mean = weighted_mean(-_of_label(log_softmax(logits), y), weight)
        softened = weighted_mean(self.softened(logits, y), weight)
        odd = jnp.where(mean > self.alpha, mean, softened)
        return jnp.where(epoch % 2 == 0, jnp.abs(mean - self.alpha), odd)

    def softened(self, logits: Float[jax.Array, "batch cls"], y: Int[jax.Array, "batch"]) -> Float[jax.Array, "batch"]:
        """(1 - correct) H(t, p) - H(y, p) of each record."""
        log_p = log_softmax(logits)
        own = jnp.minimum(jnp.exp(_of_label(log_p, y)), self.upper)
        rest = (1 - own) / (logits.shape[1] - 1)
        target = jnp.where(one_hot(y, logits.shape[1], dtype=bool), own[:, None], rest[:, None])
        target = jax.lax.stop_gradient(target) if self.stop_gradient else target
        wrong = jnp.argmax(logits, axis=1) != y
        return _of_label(log_p, y) - wrong.astype(log_p.dtype) * jnp.sum(target * log_p, axis=1)


def _of_label(values: Float[jax.Array, "batch cls"], y: Int[jax.Array, "batch"]) -> Float[jax.Array, "batch"]:
    return jnp.take_along_axis(values, y[:, None], axis=1)[:, 0]

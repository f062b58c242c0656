"""The training of HAMP (Chen and Pattabiraman, NDSS 2024, arXiv 2307.01610): less confident on what it has seen.

Each record costs

    KL(t || p) - alpha H(p)

where t has high entropy: the label's mass is lowered from 1 in steps of 0.01 until H(t) >= gamma log C, and the other classes
share the rest evenly. The gradient in the logits is p - t + alpha p (log p + H(p)), so that without alpha the minimum is p = t.

The authors' code divides the divergence by the C classes as well (PyTorch's default mean), and not the entropy: its alpha
weighs C times as much, and its rate 1 / C: ``formula="reference_code"``. What HAMP does to answers is a defence of its own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import log_softmax
from jaxtyping import Float, Int
from scipy.special import entr

from jaxattack.training.learners.standard import entropy, weighted_mean
from jaxattack.types import InputError, config

STEPS = np.arange(100, 0, -1) / 100  # of the label's mass, as the authors lower it


@config
class HighEntropy:
    """Divergence from soft labels of high entropy, less a share of the prediction's entropy.

    Attributes:
        gamma: the entropy of soft labels, as a share of log classes, from 0 (labels as they are) to below 1. The authors' for
            Location-30 is 0.5.
        alpha: the weight of the prediction's entropy, at least 0. The authors' for Location-30 is 0.001.
        formula: "paper"; or "reference_code", which divides the divergence by the classes.

    Raises:
        InputError: a value outside its range.
    """

    paper = "Chen and Pattabiraman 2024, arXiv 2307.01610"
    by_record: ClassVar[bool] = True
    smooths: ClassVar[bool] = False

    gamma: float = 0.5
    alpha: float = 0.001
    formula: Literal["paper", "reference_code"] = "paper"

    def __post_init__(self) -> None:
        if not 0 <= self.gamma < 1:
            raise InputError(f"gamma is {self.gamma}: give a share of the largest entropy, 0 to below 1.")
        if not 0 <= self.alpha < float("inf"):
            raise InputError(f"alpha is {self.alpha}: give a weight of at least 0.")
        if self.formula not in ("paper", "reference_code"):
            raise InputError(f"formula is {self.formula!r}: choose paper or reference_code.")

    def __call__(self, logits, y, weight, epoch, smoothing):  # noqa: ARG002 (a loss that does not smooth)
        """As `jaxattack.training.learners.standard.Loss`."""
        return weighted_mean(self.of_records(logits, y), weight)

    def of_records(
        self, logits: Float[jax.Array, "batch cls"], y: Int[jax.Array, "batch"]
    ) -> Float[jax.Array, "batch"]:
        """What each record costs, in nats."""
        classes = logits.shape[1]
        log_p = log_softmax(logits)
        top = label_mass(self.gamma, classes)
        rest = (1 - top) / (classes - 1)
        own = jnp.take_along_axis(log_p, y[:, None], axis=1)[:, 0]
        divergence = -float(soft_entropy(top, classes)) - rest * jnp.sum(log_p, axis=1) - (top - rest) * own
        share = 1 / classes if self.formula == "reference_code" else 1.0
        return share * divergence - self.alpha * entropy(log_p)


def label_mass(gamma: float, classes: int) -> float:
    """The mass of the label in soft labels whose entropy is at least gamma log classes; 1 / classes where no step reaches it."""
    steps = STEPS[STEPS * classes > 1]
    reached = soft_entropy(steps, classes) >= gamma * np.log(classes)
    return float(steps[reached.argmax()]) if reached.any() else 1 / classes


def soft_entropy(top: np.ndarray | float, classes: int) -> np.ndarray:
    """The entropy of so much mass on one class and the rest shared evenly, in nats."""
    return entr(top) + (classes - 1) * entr((1 - np.asarray(top)) / (classes - 1))

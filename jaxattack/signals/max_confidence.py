"""The largest confidence, which knows no label (Salem et al., NDSS 2019, arXiv 1806.01246, their third adversary)."""

from __future__ import annotations

import jax.numpy as jnp

from jaxattack.signals.phi import Phi
from jaxattack.signals.scores import Scored
from jaxattack.types import config


@config
class MaxConfidence(Scored):
    """log p - log(1 - p) of the likeliest class: it orders records as max p does, and does not saturate.

    The paper thresholds max p. Where the prediction is the label it equals phi.
    """

    name = "max_confidence"
    paper = "Salem et al. 2019, arXiv 1806.01246"

    def of_logits(self, z, y):  # noqa: ARG002 (it knows no label)
        """As `Scored`."""
        return Phi().of_logits(z, jnp.argmax(z, axis=1))

    def of_probability(self, p, y, floor):  # noqa: ARG002
        """As `Scored`; p and 1 - p are at least the floor."""
        return Phi().of_probability(p, jnp.argmax(p, axis=1), floor)

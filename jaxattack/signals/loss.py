"""The cross entropy -log p_y (Yeom et al. 2018)."""

from __future__ import annotations

import jax.numpy as jnp
from jax.nn import softplus

from jaxattack.signals.phi import Phi
from jaxattack.signals.scores import Scored, of_label
from jaxattack.types import config


@config
class Loss(Scored):
    """The cross entropy of the label, in nats."""

    name = "loss"
    paper = "Yeom et al. 2018, arXiv 1709.01604"

    def of_logits(self, z, y):
        """As `Scored`."""
        return softplus(-Phi().of_logits(z, y))

    def of_probability(self, p, y, floor):
        """As `Scored`."""
        return -jnp.log(jnp.maximum(of_label(p, y), floor))

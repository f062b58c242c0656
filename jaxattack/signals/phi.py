"""phi = z_y - logsumexp over k != y of z_k = log p_y - log(1 - p_y), the logit-scaled confidence (Carlini et al. 2022)."""

from __future__ import annotations

import jax.numpy as jnp
from jax.nn import logsumexp

from jaxattack.signals.scores import Scored, of_label, of_others, others
from jaxattack.types import config


@config
class Phi(Scored):
    """The logit-scaled confidence; from raw outputs it never saturates."""

    name = "phi"
    paper = "Carlini et al. 2022, arXiv 2112.03570"

    def of_logits(self, z, y):
        """As `Scored`."""
        return of_label(z, y) - logsumexp(others(z, y), axis=1)

    def of_probability(self, p, y, floor):
        """As `Scored`; p_y and 1 - p_y are at least the floor."""
        return jnp.log(jnp.maximum(of_label(p, y), floor)) - jnp.log(of_others(p, y, floor))

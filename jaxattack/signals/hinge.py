"""z_y - max over k != y of z_k (Carlini et al. 2022)."""

from __future__ import annotations

import jax.numpy as jnp

from jaxattack.signals.scores import Scored, of_label, others
from jaxattack.types import config


@config
class Hinge(Scored):
    """The label's logit less the largest other."""

    name = "hinge"
    paper = "Carlini et al. 2022, arXiv 2112.03570"

    def of_logits(self, z, y):
        """As `Scored`."""
        return of_label(z, y) - jnp.max(others(z, y), axis=1)

"""The entropy of a prediction, and the one that knows the label (Song and Mittal 2021).

entropy             -sum p_k log p_k
modified_entropy    -(1 - p_y) log p_y - sum over k != y of p_k log(1 - p_k)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.nn import log_sigmoid, log_softmax, logsumexp, sigmoid

from jaxattack.signals.phi import Phi
from jaxattack.signals.scores import Scored, of_label, others
from jaxattack.types import config


@config
class Entropy(Scored):
    """Entropy of the prediction, in nats."""

    name = "entropy"
    paper = "Song and Mittal 2021, arXiv 2003.10595"

    def of_logits(self, z, y):  # noqa: ARG002 (every signal has the same arguments)
        """As `Scored`."""
        log_p = log_softmax(z)
        return -jnp.sum(jnp.exp(log_p) * log_p, axis=1)

    def of_probability(self, p, y, floor):  # noqa: ARG002
        """As `Scored`; a class of confidence 0 adds nothing."""
        return -jnp.sum(p * jnp.log(jnp.maximum(p, floor)), axis=1)


@config
class ModifiedEntropy(Scored):
    """Entropy that also knows the label: 0 for a sure and right prediction, large for a sure and wrong one."""

    name = "modified_entropy"
    paper = "Song and Mittal 2021, arXiv 2003.10595"

    def of_logits(self, z, y):
        """As `Scored`."""
        log_p = log_softmax(z)
        # 1 - p of the likeliest class is the mass of the others: subtracting from 1 would cancel.
        top = jnp.argmax(z, axis=1)
        rest = logsumexp(others(z, top), axis=1) - logsumexp(z, axis=1)
        is_top = jax.nn.one_hot(top, z.shape[1], dtype=bool)
        log_not_p = jnp.where(is_top, rest[:, None], jnp.log1p(-jnp.where(is_top, 0.0, jnp.exp(log_p))))
        wrong = jnp.where(jax.nn.one_hot(y, z.shape[1], dtype=bool), 0.0, jnp.exp(log_p) * log_not_p)
        evidence = Phi().of_logits(z, y)
        return -sigmoid(-evidence) * log_sigmoid(evidence) - jnp.sum(wrong, axis=1)

    def of_probability(self, p, y, floor):
        """As `Scored`; p_y and every 1 - p_k are at least the floor."""
        own = of_label(p, y)
        wrong = jnp.where(jax.nn.one_hot(y, p.shape[1], dtype=bool), 0.0, p * jnp.log(jnp.maximum(1 - p, floor)))
        return -(1 - own) * jnp.log(jnp.maximum(own, floor)) - jnp.sum(wrong, axis=1)

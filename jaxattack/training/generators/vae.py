"""A variational autoencoder (Kingma and Welling 2014), its outputs Bernoulli in the unit box.

loss = cross entropy of the record and its reconstruction + KL(q(z | x) || N(0, 1)),    z = mean + sd * noise
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, PRNGKeyArray

from jaxattack.training.generators.prior import Networks


def loss(
    nets: Networks, variables: Any, batch: Float[jax.Array, "record feature"], key: PRNGKeyArray
) -> Float[jax.Array, ""]:
    """The mean loss of a batch."""
    decoder, encoder = variables
    mean, log_var = jnp.split(nets.critic.apply(encoder, batch), 2, axis=1)
    out = nets.decoder.apply(decoder, mean + jnp.exp(log_var / 2) * jax.random.normal(key, mean.shape))
    fit = optax.sigmoid_binary_cross_entropy(out, batch).sum(axis=1)
    divergence = 0.5 * (mean**2 + jnp.exp(log_var) - 1 - log_var).sum(axis=1)
    return (fit + divergence).mean()

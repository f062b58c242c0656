"""A denoising autoencoder (Vincent et al. 2010), in whose code Fredrikson et al. 2015 process faces (PROCESS-DAE).

    loss = cross entropy of the record and decode(encode(record + noise)) + (mean of the codes)^2 + (their deviation - 1)^2

The last two terms, of each number of a code over a batch, put codes where random latent points are drawn.
"""

from __future__ import annotations

from typing import Any

import jax
import optax
from jaxtyping import Float, PRNGKeyArray

from jaxattack.training.generators.prior import Networks

NOISE = 0.1


def loss(
    nets: Networks, variables: Any, batch: Float[jax.Array, "record feature"], key: PRNGKeyArray
) -> Float[jax.Array, ""]:
    """The mean loss of a batch."""
    decoder, encoder = variables
    code = nets.critic.apply(encoder, batch + NOISE * jax.random.normal(key, batch.shape))
    fit = optax.sigmoid_binary_cross_entropy(nets.decoder.apply(decoder, code), batch).sum(axis=1).mean()
    spread = (code.mean(axis=0) ** 2 + (code.std(axis=0) - 1) ** 2).sum()
    return fit + spread

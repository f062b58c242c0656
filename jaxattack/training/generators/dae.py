"""A denoising autoencoder (Vincent et al. 2010), in whose code Fredrikson et al. 2015 process faces (PROCESS-DAE).

    loss = cross entropy of the record and decode(encode(record + noise)) + (mean of the codes)^2 + (their deviation - 1)^2

The last two terms, of each number of a code over a batch, put codes where random latent points are drawn.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import optax

from jaxattack.training.generators.prior import Networks

BATCH, NOISE, _ADAM = 128, 0.1, optax.adam(1e-3)


def start(nets: Networks, key: jax.Array) -> Any:
    """Fresh networks, and their optimiser's state."""
    first, second = jax.random.split(jax.random.fold_in(key, 0))
    variables = (nets.decoder.init(first), nets.critic.init(second))
    return variables, _ADAM.init([part.params for part in variables])


@partial(jax.jit, static_argnames=("nets",), donate_argnames=("state",))
def advance(nets: Networks, x: jax.Array, key: jax.Array, state: Any, begin: jax.Array, end: jax.Array) -> Any:
    """Steps ``begin`` to ``end``, each on a random batch."""

    def loss(params, variables, batch, noise):
        decoder, encoder = (part._replace(params=own) for part, own in zip(variables, params, strict=True))
        code = nets.critic.apply(encoder, batch + noise)
        fit = optax.sigmoid_binary_cross_entropy(nets.decoder.apply(decoder, code), batch).sum(axis=1).mean()
        spread = (code.mean(axis=0) ** 2 + (code.std(axis=0) - 1) ** 2).sum()
        return fit + spread

    def step(at, state):
        variables, moments = state
        pick, draw = jax.random.split(jax.random.fold_in(key, at + 1))
        batch = x[jax.random.randint(pick, (BATCH,), 0, len(x))]
        params = [part.params for part in variables]
        gradient = jax.grad(loss)(params, variables, batch, NOISE * jax.random.normal(draw, batch.shape))
        updates, moments = _ADAM.update(gradient, moments)
        new_params: Any = optax.apply_updates(params, updates)
        return tuple(part._replace(params=own) for part, own in zip(variables, new_params, strict=True)), moments

    return jax.lax.fori_loop(begin, end, step, state)

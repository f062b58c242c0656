"""A variational autoencoder (Kingma and Welling 2014), its outputs Bernoulli in the unit box.

loss = cross entropy of the record and its reconstruction + KL(q(z | x) || N(0, 1)),    z = mean + sd * noise
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxattack.training.generators.prior import Networks

BATCH, _ADAM = 128, optax.adam(1e-3)


def start(nets: Networks, key: jax.Array) -> Any:
    """Fresh networks, and their optimiser's state."""
    first, second = jax.random.split(jax.random.fold_in(key, 0))
    variables = (nets.decoder.init(first), nets.critic.init(second))
    return variables, _ADAM.init(_params(variables))


@partial(jax.jit, static_argnames=("nets",), donate_argnames=("state",))
def advance(nets: Networks, x: jax.Array, key: jax.Array, state: Any, begin: jax.Array, end: jax.Array) -> Any:
    """Steps ``begin`` to ``end``, each on a random batch."""

    def loss(params, variables, batch, noise):
        decoder, encoder = (part._replace(params=own) for part, own in zip(variables, params, strict=True))
        mean, log_var = jnp.split(nets.critic.apply(encoder, batch), 2, axis=1)
        out = nets.decoder.apply(decoder, mean + jnp.exp(log_var / 2) * noise)
        fit = optax.sigmoid_binary_cross_entropy(out, batch).sum(axis=1)
        divergence = 0.5 * (mean**2 + jnp.exp(log_var) - 1 - log_var).sum(axis=1)
        return (fit + divergence).mean()

    def step(at, state):
        variables, moments = state
        pick, draw = jax.random.split(jax.random.fold_in(key, at + 1))
        batch = x[jax.random.randint(pick, (BATCH,), 0, len(x))]
        noise = jax.random.normal(draw, (BATCH, nets.latent))
        gradient = jax.grad(loss)(_params(variables), variables, batch, noise)
        updates, moments = _ADAM.update(gradient, moments)
        new_params: Any = optax.apply_updates(_params(variables), updates)
        return tuple(part._replace(params=own) for part, own in zip(variables, new_params, strict=True)), moments

    return jax.lax.fori_loop(begin, end, step, state)


def _params(variables: Any) -> Any:
    return tuple(part.params for part in variables)

"""Training an autoencoder, variational or denoising, by Adam on random batches."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import optax

from jaxattack.descent import descend
from jaxattack.training.generators import dae, vae
from jaxattack.training.generators.prior import Networks

BATCH, LOSSES, _ADAM = 128, {"vae": vae.loss, "dae": dae.loss}, optax.adam(1e-3)


def start(nets: Networks, key: jax.Array) -> Any:
    """Fresh networks, and their optimiser's state."""
    first, second = jax.random.split(jax.random.fold_in(key, 0))
    variables = (nets.decoder.init(first), nets.critic.init(second))
    return variables, _ADAM.init([part.params for part in variables])


@partial(jax.jit, static_argnames=("nets",), donate_argnames=("state",))
def advance(nets: Networks, x: jax.Array, key: jax.Array, state: Any, begin: jax.Array, end: jax.Array) -> Any:
    """Steps ``begin`` to ``end``, each on a random batch."""
    variables, moments = state

    def with_params(params: Any) -> Any:
        return tuple(part._replace(params=own) for part, own in zip(variables, params, strict=True))

    def loss(params: Any, number: Any) -> jax.Array:
        pick, draw = jax.random.split(jax.random.fold_in(key, number + 1))
        batch = x[jax.random.randint(pick, (BATCH,), 0, len(x))]
        return LOSSES[nets.kind](nets, with_params(params), batch, draw)

    descent = descend(loss, _ADAM, [part.params for part in variables], end, first=begin, moments=moments)
    return with_params(descent.point), descent.moments

"""A Wasserstein GAN with gradient penalty (Gulrajani et al. 2017), the generator of Zhang et al. 2020.

critic      mean D(G(z)) - mean D(x) + 10 (|grad D at a random mixture of the two| - 1)^2, five steps
generator   - mean D(G(z)), one step
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxattack.descent import descend
from jaxattack.training.generators.prior import Networks, decode

BATCH, PENALTY, CRITIC_STEPS = 64, 10.0, 5
_ADAM = optax.adam(2e-4, b1=0.5, b2=0.9)


def start(nets: Networks, key: jax.Array) -> Any:
    """Fresh networks, and their optimisers' states."""
    first, second = jax.random.split(jax.random.fold_in(key, 0))
    variables = (nets.decoder.init(first), nets.critic.init(second))
    return variables, tuple(_ADAM.init(part.params) for part in variables)


@partial(jax.jit, static_argnames=("nets",), donate_argnames=("state",))
def advance(nets: Networks, x: jax.Array, key: jax.Array, state: Any, begin: jax.Array, end: jax.Array) -> Any:
    """Steps ``begin`` to ``end`` of the generator."""

    def step(at, state):
        (decoder, critic), (slow, fast) = state
        draws = jax.random.fold_in(key, at + 1)

        def critic_loss(params, number):
            pick, draw, mix = jax.random.split(jax.random.fold_in(draws, number), 3)
            real = x[jax.random.randint(pick, (BATCH,), 0, len(x))]
            z, share = jax.random.normal(draw, (BATCH, nets.latent)), jax.random.uniform(mix, (BATCH, 1))
            moving = critic._replace(params=params)
            fakes = decode(nets, (decoder, critic), z)
            mixture = share * real + (1 - share) * fakes
            slope = jax.vmap(jax.grad(lambda u: nets.critic.apply(moving, u[None])[0, 0]))(mixture)
            length = jnp.sqrt((slope**2).sum(axis=1) + 1e-12)
            apart = nets.critic.apply(moving, fakes).mean() - nets.critic.apply(moving, real).mean()
            return apart + PENALTY * ((length - 1) ** 2).mean()

        fast = descend(critic_loss, _ADAM, critic.params, CRITIC_STEPS, moments=fast)
        critic = critic._replace(params=fast.point)

        def generator_loss(params, _):
            z = jax.random.normal(jax.random.fold_in(draws, CRITIC_STEPS), (BATCH, nets.latent))
            return -nets.critic.apply(critic, decode(nets, (decoder._replace(params=params), critic), z)).mean()

        slow = descend(generator_loss, _ADAM, decoder.params, 1, moments=slow)
        return (decoder._replace(params=slow.point), critic), (slow.moments, fast.moments)

    return jax.lax.fori_loop(begin, end, step, state)

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

    def critic_loss(params, variables, real, z, share):
        critic = variables[1]._replace(params=params)
        fakes = decode(nets, variables, z)
        mixture = share * real + (1 - share) * fakes
        slope = jax.vmap(jax.grad(lambda u: nets.critic.apply(critic, u[None])[0, 0]))(mixture)
        length = jnp.sqrt((slope**2).sum(axis=1) + 1e-12)
        apart = nets.critic.apply(critic, fakes).mean() - nets.critic.apply(critic, real).mean()
        return apart + PENALTY * ((length - 1) ** 2).mean()

    def generator_loss(params, variables, z):
        fakes = decode(nets, (variables[0]._replace(params=params), variables[1]), z)
        return -nets.critic.apply(variables[1], fakes).mean()

    def step(at, state):
        def once(state, number):
            (decoder, critic), (slow, fast) = state
            pick, draw, mix = jax.random.split(jax.random.fold_in(jax.random.fold_in(key, at + 1), number), 3)
            real = x[jax.random.randint(pick, (BATCH,), 0, len(x))]
            z, share = jax.random.normal(draw, (BATCH, nets.latent)), jax.random.uniform(mix, (BATCH, 1))
            gradient = jax.grad(critic_loss)(critic.params, (decoder, critic), real, z, share)
            updates, fast = _ADAM.update(gradient, fast)
            return ((decoder, critic._replace(params=optax.apply_updates(critic.params, updates))), (slow, fast)), None

        state = jax.lax.scan(once, state, jnp.arange(CRITIC_STEPS))[0]
        (decoder, critic), (slow, fast) = state
        z = jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, at + 1), CRITIC_STEPS), (BATCH, nets.latent))
        gradient = jax.grad(generator_loss)(decoder.params, (decoder, critic), z)
        updates, slow = _ADAM.update(gradient, slow)
        return (decoder._replace(params=optax.apply_updates(decoder.params, updates)), critic), (slow, fast)

    return jax.lax.fori_loop(begin, end, step, state)

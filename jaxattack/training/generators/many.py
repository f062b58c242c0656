"""Many generators of one kind in one mapped program: targets, their references, and what a thief learns from samples."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.training.generators.learn import KINDS, SEGMENT, Prior
from jaxattack.training.generators.prior import Networks, decode, networks, realness
from jaxattack.types import Progress, within_memory


class Generators(NamedTuple):
    """Generators of one kind, each trained on records of its own.

    Attributes:
        networks: of all of them.
        variables: of decoder and critic; every leaf leads with the axis ``generator``.
    """

    networks: Networks
    variables: Any

    @property
    def count(self) -> int:
        """How many."""
        return len(jax.tree.leaves(self.variables)[0])

    def take(self, part: slice) -> Generators:
        """Some of them."""
        return Generators(self.networks, jax.tree.map(lambda leaf: leaf[part], self.variables))

    def sample(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Latent points, normally distributed, and the records that each generator makes of its own.

        Args:
            count: of each generator; a generator's first samples are the same whatever the count.
            seed: of the latent points.

        Returns:
            z Float["generator sample latent"] and u Float["generator sample feature"], in the unit box.
        """
        shape = (count, self.networks.latent)
        z = np.stack([np.random.default_rng([seed, at]).normal(size=shape) for at in range(self.count)])
        z = z.astype(np.float32)
        return z, np.asarray(_decode_all(self.networks, self.variables, z))

    def realness(self, u: Float[np.ndarray, "record feature"]) -> Float[np.ndarray, "generator record"]:
        """How real each generator's critic finds the same records, as `jaxattack.training.generators.prior.realness` has it."""
        return np.asarray(_realness_all(self.networks, self.variables, jnp.asarray(u)), np.float64)


def train_generators(
    prior: Prior, records: Float[np.ndarray, "generator record feature"], seed: int, progress: Progress | None = None
) -> Generators:
    """Train a generator on each set of records, all in one program.

    Generator i depends on its records, the seed and i alone, up to the rounding of sums.

    Args:
        prior: which generators, and how they are trained.
        records: of each generator, in the unit box, flat; sets of one size.
        seed: decides everything random.
        progress: told of steps.

    Raises:
        InputError: more numbers than memory holds.
    """
    within_memory(records.size, generators=len(records))
    nets = networks(prior.kind, prior.latent, records.shape[2])
    key = jax.random.fold_in(jax.random.key(seed), 13)
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(len(records)))
    x = jnp.asarray(records, jnp.float32)
    state = jax.vmap(partial(KINDS[prior.kind].start, nets))(keys)
    for begin in range(0, prior.steps, SEGMENT):
        end = min(begin + SEGMENT, prior.steps)
        state = _advance_all(prior.kind, nets, x, keys, state, jnp.int32(begin), jnp.int32(end))
        jax.block_until_ready(state)
        if progress:
            progress(f"{len(records)} {prior.kind}s", end, prior.steps)
    return Generators(nets, state[0])


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=4)
def _advance_all(kind: str, nets: Networks, x, keys, state, begin, end):
    advance = partial(KINDS[kind].advance, nets)
    return jax.vmap(advance, in_axes=(0, 0, 0, None, None))(x, keys, state, begin, end)


@partial(jax.jit, static_argnums=0)
def _decode_all(nets: Networks, variables, z):
    return jax.vmap(partial(decode, nets))(variables, z)


@partial(jax.jit, static_argnums=0)
def _realness_all(nets: Networks, variables, u):
    return jax.vmap(partial(realness, nets), in_axes=(0, None))(variables, u)

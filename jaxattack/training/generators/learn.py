"""Training a generator by name, a few hundred steps at a time, so that it can be told how far it is."""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.training.generators import autoencoder, gan
from jaxattack.training.generators.prior import Generator, networks, unit
from jaxattack.types import InputError, Inputs, Progress, at_least, config

KINDS = {"vae": autoencoder, "gan": gan, "dae": autoencoder}
SEGMENT = 250


def learn(
    kind: str,
    records: Float[np.ndarray, "record feature"],
    latent: int,
    steps: int,
    seed: int,
    progress: Progress | None,
) -> Generator:
    """Train a generator.

    Args:
        kind: vae, gan or dae.
        records: in the unit box, flat.
        latent: numbers in a latent point.
        steps: of its optimiser.
        seed: decides everything random.
        progress: told of steps.
    """
    nets = networks(kind, latent, records.shape[1])
    key = jax.random.fold_in(jax.random.key(seed), 11)
    state, x = KINDS[kind].start(nets, key), jnp.asarray(records)
    for begin in range(0, steps, SEGMENT):
        until = min(begin + SEGMENT, steps)
        state = jax.block_until_ready(KINDS[kind].advance(nets, x, key, state, jnp.int32(begin), jnp.int32(until)))
        if progress:
            progress(f"{kind} steps", until, steps)
    return Generator(nets, state[0])


@config
class Prior:
    """Which generator, and how it is trained.

    Attributes:
        kind: vae, gan or dae.
        latent: numbers in a latent point.
        steps: of its optimiser.

    Raises:
        InputError: a value out of range.
    """

    kind: Literal["vae", "gan", "dae"] = "vae"
    latent: int = 16
    steps: int = 1500

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"prior is {self.kind!r}: choose {', '.join(KINDS)}.")
        at_least(1, latent=self.latent, steps=self.steps)

    def learn(self, inputs: Inputs, pool: np.ndarray, seed: int, progress: Progress | None) -> Generator:
        """Train it on the attacker's records.

        Raises:
            InputError: too few records, or ones that are no numbers.
        """
        return learn(self.kind, unit(inputs, pool), self.latent, self.steps, seed, progress)

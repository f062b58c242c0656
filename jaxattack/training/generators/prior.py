"""A generator: latent points, normally distributed, to records in the unit box.

It is trained on the attacker's own records, in one compiled program, and the same records and seed give the same
generator. Beside its decoder it has a critic, which says how real a record looks: higher is more real. Of a GAN that is
its own; an autoencoder's is less its reconstruction error.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.models import build
from jaxattack.types import InputError, Inputs, Model

Array = jax.Array | np.ndarray
HIDDEN, LEAST = 256, 16
"""Units of the hidden layers; and the fewest records that a generator is trained on."""


class Networks(NamedTuple):
    """The networks of a generator.

    Attributes:
        decoder: z["point latent"] -> outputs before the sigmoid ["point feature"].
        critic: u["point feature"] -> ["point 1"] of a GAN, or an autoencoder's encoder, ["point 2 latent"] or ["point latent"].
        kind: vae, gan or dae.
        latent: numbers in a latent point.
    """

    decoder: Model
    critic: Model
    kind: str
    latent: int


class Generator(NamedTuple):
    """A trained generator.

    Attributes:
        networks: hashable, so that what is compiled for one is found again.
        variables: of decoder and critic.
    """

    networks: Networks
    variables: tuple[Any, Any]


def networks(kind: str, latent: int, features: int) -> Networks:
    """The networks of a kind of generator for records of so many features."""
    outputs = {"gan": 1, "vae": 2 * latent, "dae": latent}[kind]
    hidden = f"mlp:{HIDDEN}-{HIDDEN}"
    decoder = build(hidden, (latent,), features)
    return Networks(decoder, build(hidden, (features,), outputs, activation="gelu"), kind, latent)


def decode(nets: Networks, variables: Any, z: Float[Array, "point latent"]) -> Float[jax.Array, "point feature"]:
    """Records in the unit box, flat."""
    return jax.nn.sigmoid(nets.decoder.apply(variables[0], jnp.asarray(z)))


def realness(nets: Networks, variables: Any, u: Float[Array, "point feature"]) -> Float[jax.Array, "point"]:
    """How real flat records look; only differences mean anything."""
    out = nets.critic.apply(variables[1], jnp.asarray(u))
    if nets.kind == "gan":
        return out[:, 0]
    mean = out[:, : nets.latent]
    return -((decode(nets, variables, mean) - u) ** 2).sum(axis=1)


def unit(inputs: Inputs, pool: np.ndarray) -> Float[np.ndarray, "record feature"]:
    """The attacker's records in the unit box, flat.

    Raises:
        InputError: too few to learn from, or records that are no numbers.
    """
    if len(pool) < LEAST:
        raise InputError(f"pool has {len(pool)} records: a generator needs at least {LEAST} to learn from.")
    if not np.isfinite(pool).all():
        raise InputError("pool holds NaN or infinity: drop or fill those records.")
    share = (pool - inputs.low) / np.maximum(inputs.high - inputs.low, np.finfo(float).tiny)
    return share.reshape(len(pool), -1).clip(0, 1).astype(np.float32)

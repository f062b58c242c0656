"""The reconstruction attack (Hilprecht et al. 2019) on a variational autoencoder: it makes its own records back better.

score = - mean over draws of |x - decode(z)|_2,    z ~ q(z | x) = N(mean, sd)

The encoder and the decoder are the target's, which the attacker holds.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.generators.evidence import Evidence, GeneratorScores, Sight, require
from jaxattack.training.generators.prior import Networks, decode
from jaxattack.types import Progress, at_least, config


@config
class Reconstruction:
    """How far records are from what a variational autoencoder makes of their codes.

    Attributes:
        draws: of a code, for each record.

    Raises:
        InputError: no draw.
    """

    draws: int = 100

    name = "reconstruction"
    paper = "Hilprecht et al. 2019, PoPETs"
    sees: Sight = "weights"
    kinds = ("vae",)
    samples = 0
    references = False

    def __post_init__(self) -> None:
        at_least(1, draws=self.draws)

    def __call__(self, evidence: Evidence, *, seed: int = 0, progress: Progress | None = None) -> GeneratorScores:
        """Score every record for each target.

        Raises:
            InputError: targets that are no variational autoencoders.
        """
        require(self, evidence)
        generators, records = evidence.targets.generators, jnp.asarray(evidence.records)
        assert generators is not None
        keys = jax.random.split(jax.random.key(seed), self.draws)
        rows = []
        for at in range(generators.count):
            own = jax.tree.map(lambda leaf, at=at: leaf[at], generators.variables)
            rows.append(-np.asarray(_errors(generators.networks, own, records, keys), np.float64))
            if progress:
                progress(self.name, at + 1, generators.count)
        return GeneratorScores(np.stack(rows))


@partial(jax.jit, static_argnums=0)
def _errors(nets: Networks, variables, records, keys) -> Float[jax.Array, "record"]:
    mean, log_var = jnp.split(nets.critic.apply(variables[1], records), 2, axis=1)

    def error(key):
        z = mean + jnp.exp(log_var / 2) * jax.random.normal(key, mean.shape)
        return jnp.linalg.norm(decode(nets, variables, z) - records, axis=1)

    return jax.lax.map(error, keys).mean(axis=0)

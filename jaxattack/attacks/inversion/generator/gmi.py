"""Generative model inversion (Zhang et al. 2020, GMI): descent in the latent space of a GAN that learnt from other records.

    z* = argmin  lambda (-ln p_target(f(G(z)))) - D(G(z)),    lambda = 100

from several random z, and the record of the one that the victim is surest of is kept. Their optimiser is momentum SGD;
here it is Adam.
"""

from __future__ import annotations

from dataclasses import field, replace

import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.inversion.generator.latent import DRAWS, Aim, descend_latent, generate
from jaxattack.attacks.inversion.target import check_pool, check_targets, inversion_from
from jaxattack.training.generators.learn import Prior
from jaxattack.types import Inversion, Progress, WhiteBox, above_zero, at_least, config, within_memory

_FRAMES = (1, 10, 100)


@config
class Gmi:
    """Descend in the latent space of a generator that learnt from the attacker's own records.

    Attributes:
        prior: vae, gan or dae, and how it is trained.
        restarts: for each target.
        steps: of the descent.
        learning_rate: of Adam, in latent units.
        weight: lambda, of the objective beside the critic.

    Raises:
        InputError: a value out of range.
    """

    prior: Prior = field(default_factory=lambda: Prior(kind="gan"))
    restarts: int = 8
    steps: int = 500
    learning_rate: float = 0.02
    weight: float = 100.0

    name = "gmi"
    paper = "Zhang et al. 2020"
    white_box = True
    levels = ()
    pool = True

    def __post_init__(self) -> None:
        at_least(1, restarts=self.restarts, steps=self.steps)
        above_zero(learning_rate=self.learning_rate, weight=self.weight)

    def __call__(
        self,
        victim: WhiteBox,
        targets: Int[np.ndarray, "target"],
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
    ) -> Inversion:
        """Make a record of each class; see `jaxattack.types.InversionAttack`.

        Raises:
            InputError: a class that the victim does not have, or no pool to learn from.
        """
        targets = check_targets(targets, victim.classes)
        within_memory(len(targets) * self.restarts * victim.inputs.low.size, restarts=self.restarts)
        generator = self.prior.learn(victim.inputs, check_pool(self.name, victim.inputs, pool), seed, progress)
        draws = [
            np.random.default_rng([seed, int(target), restart]).normal(size=self.prior.latent)
            for target in targets
            for restart in range(self.restarts)
        ]
        descent = descend_latent(
            victim, generator, Aim("cross-entropy", self.weight, 1.0), np.stack(draws).astype(np.float32),
            np.repeat(targets, self.restarts), steps=self.steps, learning_rate=self.learning_rate,
            marks=tuple(step for step in _FRAMES if step < self.steps), progress=progress,
        )  # fmt: skip
        inversion = inversion_from(self, victim, targets, descent, lambda z: generate(generator, victim.inputs, z))
        return replace(inversion, draws=generate(generator, victim.inputs, np.stack(draws[:DRAWS])))

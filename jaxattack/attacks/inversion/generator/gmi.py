"""Generative model inversion (Zhang et al. 2020, GMI): descent in the latent space of a GAN that learnt from other records.

    z* = argmin  lambda (-ln p_target(f(G(z)))) - D(G(z)),    lambda = 100

from several random z, and the record of the one that the victim is surest of is kept. Their optimiser is momentum SGD;
here it is Adam.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.attacks.inversion.generator.latent import Aim, descend_latent, made
from jaxattack.attacks.inversion.generator.learn import Prior
from jaxattack.attacks.inversion.target import best_restart, check_pool, check_targets, confident
from jaxattack.types import Frame, InputError, Inversion, Level, Progress, WhiteBox

_FRAMES = (1, 10, 100)


@dataclass(frozen=True, kw_only=True)
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

    def __post_init__(self) -> None:
        for name in ("restarts", "steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give at least 1.")
        for name in ("learning_rate", "weight"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} is {getattr(self, name)}: give a number above 0.")

    @property
    def name(self) -> str:
        """Its name in the registry and in reports."""
        return "gmi"

    @property
    def white_box(self) -> bool:
        """It needs gradients."""
        return True

    @property
    def levels(self) -> tuple[Level, ...]:
        """It asks no oracle."""
        return ()

    @property
    def pool(self) -> bool:
        """Its generator learns from the attacker's own records."""
        return True

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
        generator = self.prior.learn(victim.inputs, check_pool(self.name, victim.inputs, pool), seed, progress)
        draws = [
            np.random.default_rng([seed, int(target), restart]).normal(size=self.prior.latent)
            for target in targets
            for restart in range(self.restarts)
        ]
        found = descend_latent(
            victim, generator, Aim("cross-entropy", self.weight, 1.0), np.stack(draws).astype(np.float32),
            np.repeat(targets, self.restarts), steps=self.steps, learning_rate=self.learning_rate,
            marks=tuple(step for step in _FRAMES if step < self.steps), progress=progress,
        )  # fmt: skip
        shape = (len(targets), self.restarts, *victim.inputs.shape)
        restarts = made(generator, victim.inputs, found.best).reshape(shape)
        score = confident(victim, restarts, targets)
        score[~np.isfinite(found.cost).reshape(score.shape)] = np.nan
        row, chosen = np.arange(len(targets)), best_restart(score)
        frames = [(step, made(generator, victim.inputs, z).reshape(shape)[row, chosen]) for step, z in found.frames]
        return Inversion(
            attack=self.name,
            target=targets,
            x=restarts[row, chosen],
            restarts=restarts,
            score=score,
            steps=found.steps.reshape(score.shape),
            gradients=int(found.steps.sum()),
            frames=tuple(Frame(step, x) for step, x in frames),
        )

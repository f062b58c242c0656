"""LOGAN (Hayes et al. 2019, arXiv 1705.07663): a discriminator is surer of the records that it was trained on.

white-box   rank the records by the target's own discriminator
black-box   train a GAN on samples of the target, and rank them by that one's

The attacker calls as many of the highest ranks members as there are: a score is a rank among the records, 0 to 1, so that
discriminators of several targets, whose scales differ, can be pooled. Here a discriminator is the critic of a Wasserstein GAN with
gradient penalty; the paper's are of DCGAN, BEGAN and a variational autoencoder joined to a GAN. Its attack with known members is
not here.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from jaxattack.attacks.membership.generators.evidence import Evidence, GeneratorScores, Sight, require
from jaxattack.training.generators.gan import CRITIC_STEPS
from jaxattack.training.generators.learn import KINDS, Prior
from jaxattack.training.generators.many import train_generators
from jaxattack.types import InputError, Progress, at_least, config


@config
class Logan:
    """Rank records by a discriminator: the target's own, or that of a GAN trained on its samples.

    Attributes:
        access: "weights" for the target's own discriminator, "samples" for a local GAN.
        count: samples that the local GAN is trained on.
        local: the GAN, and how it is trained.

    Raises:
        InputError: a value out of range, or a local generator that is no GAN.
    """

    access: Literal["samples", "weights"] = "samples"
    count: int = 10_000
    local: Prior = field(default_factory=lambda: Prior(kind="gan"))

    paper = "Hayes et al. 2019, arXiv 1705.07663"
    references = False

    def __post_init__(self) -> None:
        at_least(16, count=self.count)
        if self.local.kind != "gan":
            raise InputError(f"local is a {self.local.kind}, which has no discriminator: give a gan.")

    @property
    def name(self) -> str:
        """``logan-white`` or ``logan-black``."""
        return f"logan-{'white' if self.access == 'weights' else 'black'}"

    @property
    def sees(self) -> Sight:
        """What it has access to."""
        return self.access

    @property
    def kinds(self) -> tuple[str, ...]:
        """A GAN, where its own discriminator is read; any otherwise."""
        return ("gan",) if self.access == "weights" else tuple(KINDS)

    @property
    def samples(self) -> int:
        """Those that the local GAN is trained on."""
        return 0 if self.access == "weights" else self.count

    def __call__(self, evidence: Evidence, *, seed: int = 0, progress: Progress | None = None) -> GeneratorScores:
        """Rank every record for each target; the local GANs of all targets are trained in one program.

        Raises:
            InputError: a target without a discriminator where it reads that.
        """
        require(self, evidence)
        if self.access == "weights":
            assert evidence.targets.generators is not None
            return GeneratorScores(_ranks(evidence.targets.generators.realness(evidence.records)))
        samples = evidence.targets.samples[:, : self.count]
        # An attacker knows not from which weights and draws a target began: an audit's own seed would give the local GAN the same.
        (own_seed,) = np.random.SeedSequence(seed, spawn_key=(0, 4)).generate_state(1)
        local = train_generators(self.local, samples, int(own_seed), progress)
        steps = len(samples) * self.local.steps * (CRITIC_STEPS + 1)
        return GeneratorScores(_ranks(local.realness(evidence.records)), gradient_steps=steps)


def _ranks(realness: Float[np.ndarray, "target record"]) -> Float[np.ndarray, "target record"]:
    """The share of the records that each is ranked above; equals share theirs."""
    return (rankdata(realness, axis=1) - 0.5) / realness.shape[1]

"""Plug and play attacks (Struppek et al. 2022, PPA): choose among many, descend, and choose again.

1. Of ``candidates`` random latent points, those that the victim is surest of are where a target's restarts begin.
2. Adam descends on the Poincare distance between the victim's logits and the target's corner, which has a gradient where
   the softmax is saturated.
3. What is kept is what the victim is surest of on average over shifted views: an adversarial pattern does not survive a
   shift, a picture of the class does. Records that are no pictures have one view.

The critic has no say: the generator alone keeps to the kind.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.inversion.generator.latent import DRAWS, Aim, descend_latent, generate
from jaxattack.attacks.inversion.target import check_pool, check_targets, confidences, inversion_from
from jaxattack.training.generators.learn import Prior
from jaxattack.types import InputError, Inversion, Progress, WhiteBox, above_zero, at_least, config, within_memory

_FRAMES, _SHIFTS = (1, 10, 30), ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
_PRIOR = Prior(steps=500)
"""Of 300, 500 and 1500 steps, ten of ten, ten and eight of scikit-learn's digits would pass for records of their class to the
eye (`jaxattack.audit.appearance`) and six, eight and six of MNIST's, whose victim saw 2000; of 40 faces that AT&T took, at half
their size, an independent model recognises 37 after 500 and 35 after 1500. Longer, a generator learns its few records by heart."""
_PART = 16
"""Views are shifted by the height over this, at least a pixel."""


@config
class Ppa:
    """Choose latent points, descend on the Poincare distance, and keep what survives a shift.

    Attributes:
        prior: vae, gan or dae, and how it is trained.
        candidates: random latent points to choose from.
        restarts: for each target.
        steps: of the descent.
        learning_rate: of Adam, in latent units.

    Raises:
        InputError: a value out of range.
    """

    prior: Prior = _PRIOR
    candidates: int = 2000
    restarts: int = 8
    steps: int = 100
    learning_rate: float = 0.05

    name = "ppa"
    paper = "Struppek et al. 2022"
    white_box = True
    levels = ()
    pool = True

    def __post_init__(self) -> None:
        at_least(1, candidates=self.candidates, restarts=self.restarts, steps=self.steps)
        if self.candidates < self.restarts:
            raise InputError(f"candidates is {self.candidates} and restarts {self.restarts}: give at least as many.")
        above_zero(learning_rate=self.learning_rate)

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
        within_memory(self.candidates * victim.inputs.low.size, candidates=self.candidates)
        generator = self.prior.learn(victim.inputs, check_pool(self.name, victim.inputs, pool), seed, progress)
        z = np.random.default_rng(seed).normal(size=(self.candidates, self.prior.latent)).astype(np.float32)
        sure = confidences(victim, _views(generate(generator, victim.inputs, z))).mean(axis=1)
        start = z[np.argsort(-sure[:, targets], axis=0, kind="stable")[: self.restarts].T]
        descent = descend_latent(
            victim, generator, Aim("poincare", 1.0, 0.0), start.reshape(-1, self.prior.latent),
            np.repeat(targets, self.restarts), steps=self.steps, learning_rate=self.learning_rate,
            marks=tuple(step for step in _FRAMES if step < self.steps), progress=progress,
        )  # fmt: skip

        def robust(x: Float[np.ndarray, "target restart *feature"]) -> Float[np.ndarray, "target restart"]:
            sure = confidences(victim, _views(x.reshape(-1, *victim.inputs.shape))).mean(axis=1)
            return np.take_along_axis(sure.reshape(*x.shape[:2], -1), targets[:, None, None], axis=2)[:, :, 0]

        def choose(x: np.ndarray, score: np.ndarray) -> Int[np.ndarray, "target"]:
            return np.where(np.isnan(score), -1.0, robust(x)).argmax(axis=1)

        inversion = inversion_from(
            self, victim, targets, descent, lambda z: generate(generator, victim.inputs, z), choose
        )
        return replace(
            inversion,
            draws=generate(generator, victim.inputs, z[:DRAWS]),
            notes={"confidence over views": robust(inversion.x[:, None])[:, 0].tolist()},
        )


def _views(x: Float[np.ndarray, "point *feature"]) -> Float[np.ndarray, "point view *feature"]:
    """A picture and it shifted up, down, left and right; edges are repeated."""
    if x.ndim < 3:
        return x[:, None]
    by = max(x.shape[1] // _PART, 1)
    frame = np.pad(x, ((0, 0), (by, by), (by, by), *[(0, 0)] * (x.ndim - 3)), mode="edge")
    height, width = x.shape[1:3]
    places = [(by + by * down, by + by * right) for down, right in _SHIFTS]
    return np.stack([frame[:, top : top + height, left : left + width] for top, left in places], axis=1)

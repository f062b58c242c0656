"""GAN-Leaks (Chen et al. 2020, arXiv 1909.03935): a generator comes nearer to the records that it was trained on.

full black-box      - the distance to the nearest of k samples
partial black-box   from the nearest sample's latent point, Powell's method on z; the target answers what it makes of any z
white-box           the same, by Adam on the gradient
calibrated          each, less the same of generators that the attacker trained on records of its own: what is left is not that a
                    record is easy to make, but that the target makes it

What is lessened over z is mean (x - G(z))^2 + .001 (|z|^2 - dimensions)^2, and the loss is its first term. The paper adds .2 LPIPS, a
distance in a network that was trained on ImageNet, which is not here. The authors' code begins at z = 0 by default; here, as
the paper has it, and both alike, at the nearest sample. The paper calibrates by one reference, here their mean loss is taken.

The paper descends by L-BFGS. Lockstep over records, the seconds of 600 records of 64 features and the mean cost they end with:

| L-BFGS, 10 and 30 iterations | Adam at .3, 100 steps | at .1 | at .2, 50 and 200 | Powell's, 10 iterations |
| --- | --- | --- | --- | --- |
| 5.4 s .0766, 15.1 s .0694 | .26 s .0693 | .0722 | .12 s .0742, .46 s .0681 | .7 s .0715 |
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from jaxattack.attacks.membership.generators.distances import nearest
from jaxattack.attacks.membership.generators.evidence import Evidence, GeneratorScores, GeneratorView, Sight, require
from jaxattack.attacks.membership.generators.powell import powell, questions
from jaxattack.descent import descend
from jaxattack.training.generators.learn import KINDS
from jaxattack.training.generators.prior import Networks, decode
from jaxattack.types import InputError, Progress, at_least, config

PENALTY, RATE = 0.001, 0.3
"""Of latent points whose length is not that of a random one, which the authors' code has; and Adam's learning rate, as the table has
it."""


@config
class GanLeaks:
    """How near a generator comes to a record.

    Attributes:
        access: "samples" for the nearest of them, "latent" to search z by what the generator makes of it, "weights" by
            gradients.
        calibrated: whether the same of the attacker's own generators is taken off.
        samples: of each generator.
        iterations: of Powell's method.
        steps: of Adam.

    Raises:
        InputError: a value out of range.
    """

    access: Literal["samples", "latent", "weights"] = "samples"
    calibrated: bool = True
    samples: int = 10_000
    iterations: int = 10
    steps: int = 100

    paper = "Chen et al. 2020, arXiv 1909.03935"
    kinds = tuple(KINDS)

    def __post_init__(self) -> None:
        at_least(1, samples=self.samples, iterations=self.iterations, steps=self.steps)

    @property
    def name(self) -> str:
        """``gan-leaks-full``, ``-partial`` or ``-white``, and ``-calibrated``."""
        word = {"samples": "full", "latent": "partial", "weights": "white"}[self.access]
        return f"gan-leaks-{word}{'-calibrated' if self.calibrated else ''}"

    @property
    def sees(self) -> Sight:
        """What it has access to."""
        return self.access

    @property
    def references(self) -> bool:
        """Where it is calibrated."""
        return self.calibrated

    def __call__(self, evidence: Evidence, *, seed: int = 0, progress: Progress | None = None) -> GeneratorScores:  # noqa: ARG002 (as every attack is called)
        """Score every record for each target.

        Raises:
            InputError: no references, or no latent points where it searches them.
        """
        require(self, evidence)
        losses = self._losses(evidence.targets, evidence.records, progress)
        searches = len(losses)
        if self.calibrated:
            assert evidence.references is not None
            own = self._losses(evidence.references, evidence.records, progress)
            losses, searches = losses - own.mean(axis=0), searches + len(own)
        latent = 0 if self.access == "samples" else evidence.targets.latent.shape[2]  # type: ignore[union-attr]
        return GeneratorScores(
            -losses,
            queries=questions(self.iterations, latent) if self.access == "latent" else 0,
            gradient_steps=searches * len(evidence.records) * self.steps if self.access == "weights" else 0,
        )

    def _losses(
        self, view: GeneratorView, records: Float[np.ndarray, "record feature"], progress: Progress | None
    ) -> Float[np.ndarray, "generator record"]:
        """Of each generator: the distance to the nearest sample, or the mean square that the search ends with."""
        view = view.first(self.samples)
        near = [nearest(records, samples) for samples in view.samples]
        if self.access == "samples":
            return np.stack([one.distance for one in near])
        if view.latent is None or view.generators is None:
            raise InputError(f"{self.name} needs {self.access}, and samples alone are there: leave it out.")
        generators, rows = view.generators, []
        by_values = self.access == "latent"
        search, effort = (_by_values, self.iterations) if by_values else (_by_gradients, self.steps)
        for at, one in enumerate(near):
            own = jax.tree.map(lambda leaf, at=at: leaf[at], generators.variables)
            start = jnp.asarray(view.latent[at][one.sample])
            rows.append(search(generators.networks, effort, own, start, jnp.asarray(records)))
            if progress:
                progress(self.name, at + 1, len(near))
        return np.asarray(jnp.stack(rows), np.float64)


def _miss(nets: Networks, variables, z, x) -> Float[jax.Array, "point"]:
    """The mean square of what is made of latent points and records."""
    return ((decode(nets, variables, z) - x) ** 2).mean(axis=1)


def _cost(nets: Networks, variables, z, x) -> Float[jax.Array, "point"]:
    """What is lessened."""
    length = (z**2).sum(axis=1)
    return _miss(nets, variables, z, x) + PENALTY * (length - z.shape[1]) ** 2


@partial(jax.jit, static_argnums=(0, 1))
def _by_values(nets: Networks, iterations: int, variables, start, x):
    z, _ = powell(lambda z: _cost(nets, variables, z, x), start, iterations)
    return _miss(nets, variables, z, x)


@partial(jax.jit, static_argnums=(0, 1))
def _by_gradients(nets: Networks, steps: int, variables, start, x):
    """Adam on all points at once; where a point ends worse than it began, its start is kept."""
    adam = optax.adam(optax.cosine_decay_schedule(RATE, steps))
    end = descend(lambda z, _: _cost(nets, variables, z, x).sum(), adam, start, steps).point
    better = _cost(nets, variables, end, x) < _cost(nets, variables, start, x)
    return _miss(nets, variables, jnp.where(better[:, None], end, start), x)

"""Boundary repulsion from labels alone (Kahla et al. 2022, BREP-MI), in the latent space of a generator.

Of each target, beginning at a random latent point z that the victim takes for it:

1. ask for the labels of ``directions`` points on a sphere of radius R around z;
2. those outside the class repel: z <- z - a (mean of their directions), a = min(R / 3, 3);
3. if none is outside, z is the centre of a larger ball: keep it, and R <- growth R.

It ends when ``patience`` rounds in a row have not let R grow, and the last z kept is the reconstruction: deep inside its
class, where what is typical of it is. All targets are asked about in one call a round. The score is the radius.
"""

from __future__ import annotations

from dataclasses import field

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.inversion.generator.latent import generate
from jaxattack.attacks.inversion.target import check_pool, check_targets, require
from jaxattack.training.generators.learn import Prior
from jaxattack.types import (
    EVERY_LEVEL,
    BudgetSpent,
    Frame,
    InputError,
    Inversion,
    Oracle,
    Progress,
    above_zero,
    at_least,
    config,
    within_memory,
)

_FRAMES = (1, 10, 30, 100)


@config
class Boundary:
    """Move away from the boundary of the class, from labels alone.

    Attributes:
        prior: vae, gan or dae, and how it is trained.
        directions: points on the sphere, asked each round.
        radius: the first R, in latent units.
        growth: what R is multiplied with.
        rounds: at most.
        patience: rounds in a row without growth after which a target ends.
        first: random latent points asked to begin from, at most, a thousand a call.

    Raises:
        InputError: a value out of range.
    """

    prior: Prior = field(default_factory=Prior)
    directions: int = 32
    radius: float = 1.0
    growth: float = 1.3
    rounds: int = 300
    patience: int = 60
    first: int = 5000

    name = "boundary"
    paper = "Kahla et al. 2022"
    white_box = False
    levels = EVERY_LEVEL
    pool = True

    def __post_init__(self) -> None:
        at_least(1, directions=self.directions, rounds=self.rounds, patience=self.patience, first=self.first)
        above_zero(radius=self.radius)
        if not 1 < self.growth < np.inf:
            raise InputError(f"growth is {self.growth}: give a number above 1.")

    def __call__(
        self,
        victim: Oracle,
        targets: Int[np.ndarray, "target"],
        *,
        seed: int = 0,
        pool: Shaped[np.ndarray, "record *feature"] | None = None,
        progress: Progress | None = None,
    ) -> Inversion:
        """Make a record of each class; see `jaxattack.types.InversionAttack`.

        Raises:
            InputError: a class that the victim does not have, no pool to learn from, or a budget that ends before every
                target has a latent point to begin from.
        """
        targets, inputs = check_targets(targets, victim.access.classes), victim.access.inputs
        require(self, victim, pool)
        numbers = max(len(targets) * self.directions, self.first) * inputs.low.size
        within_memory(numbers, directions=self.directions, first=self.first)
        before, rng = victim.ledger, np.random.default_rng(seed)
        generator = self.prior.learn(inputs, check_pool(self.name, inputs, pool), seed, progress)

        def labels(z: Float[np.ndarray, "query latent"]) -> Int[np.ndarray, "query"]:
            return victim(generate(generator, inputs, z)).label

        balls = _Balls(self, _begin(self, labels, targets, rng))
        frames, reason = self._grow(balls, labels, targets, rng, progress)
        absent = np.isnan(balls.z).any(axis=1)
        if absent.any() and not reason:
            reason = (
                f"The victim took none of {self.first:,} made records for {absent.sum()} of the targets: give a pool that is "
                "more like its records, or a larger first."
            )

        def records(z: np.ndarray) -> Float[np.ndarray, "target *feature"]:
            return generate(generator, inputs, np.nan_to_num(z))

        restarts = records(balls.centre)[:, None]
        return Inversion(
            attack=self.name,
            target=targets,
            x=restarts[:, 0],
            restarts=restarts,
            score=np.where(absent, np.nan, balls.best_radius)[:, None],
            steps=balls.steps[:, None],
            cost=victim.ledger - before,
            frames=tuple(Frame(number, records(z)) for number, z in frames),
            complete=not reason,
            reason=reason,
            notes={"radius": balls.best_radius.tolist()},
        )

    def _grow(
        self, balls: _Balls, labels, targets: np.ndarray, rng: np.random.Generator, progress: Progress | None
    ) -> tuple[list[tuple[int, Float[np.ndarray, "target latent"]]], str]:
        """The centres after some rounds, and why there were no more; an empty text where no ball grows or all rounds were."""
        frames: list[tuple[int, np.ndarray]] = []
        try:
            for number in range(1, self.rounds + 1):
                if not balls.active.any():
                    break
                balls.grow(labels, targets, rng)
                if number in _FRAMES:
                    frames.append((number, balls.centre.copy()))
                if progress:
                    progress("rounds", number if balls.active.any() else self.rounds, self.rounds)
        except BudgetSpent as spent:
            growing = balls.active.sum()
            return (
                frames,
                f"{spent} A round takes {self.directions} queries for each of {growing} targets that still grow.",
            )
        return frames, ""


def _begin(
    attack: Boundary, labels, targets: np.ndarray, rng: np.random.Generator
) -> Float[np.ndarray, "target latent"]:
    """A random latent point of each target; NaN where none was found."""
    z = np.full((len(targets), attack.prior.latent), np.nan)
    queries = 0
    while queries < attack.first and np.isnan(z).any():
        candidates = rng.normal(size=(min(1000, attack.first - queries), attack.prior.latent))
        queries += len(candidates)
        try:
            label = labels(candidates)
        except BudgetSpent as spent:
            raise InputError(
                f"{spent} boundary asks for up to {attack.first:,} labels to begin: lower first."
            ) from spent
        for row, target in enumerate(targets):
            hits = np.flatnonzero(label == target)
            if np.isnan(z[row]).any() and len(hits):
                z[row] = candidates[hits[0]]
    return z


class _Balls:
    """A ball for each target, inside its class."""

    def __init__(self, attack: Boundary, z: Float[np.ndarray, "target latent"]) -> None:
        self._attack = attack
        self.z, self.centre = z, z.copy()
        self._radius = np.full(len(z), attack.radius)
        self.best_radius = np.zeros(len(z))
        self.steps, self._since = np.zeros(len(z), int), np.zeros(len(z), int)
        self.active = np.isfinite(z.sum(axis=1))

    def grow(self, labels, targets: np.ndarray, rng: np.random.Generator) -> None:
        """One round of every target that still grows, in one call."""
        attack, row = self._attack, np.flatnonzero(self.active)
        # Directions are drawn for all targets, so that one that has ended changes nothing for the others.
        u = rng.normal(size=(len(self.z), attack.directions, self.z.shape[1]))
        u = (u / np.linalg.norm(u, axis=2, keepdims=True))[row]
        radius = self._radius[row, None, None]
        label = labels((self.z[row, None] + radius * u).reshape(-1, self.z.shape[1])).reshape(len(row), -1)
        outside = label != targets[row, None]
        away = -(u * outside[:, :, None]).mean(axis=1)
        inside = ~outside.any(axis=1)
        self.steps[row] += 1
        self._since[row] = np.where(inside, 0, self._since[row] + 1)
        winners = row[inside]
        self.centre[winners], self.best_radius[winners] = self.z[winners], self._radius[winners]
        self._radius[winners] *= attack.growth
        self.z[row] += np.minimum(self._radius[row] / 3, 3)[:, None] * away
        self.active[row[self._since[row] >= attack.patience]] = False

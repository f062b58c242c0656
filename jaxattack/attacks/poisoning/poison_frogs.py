"""Poison with the right label, whose features are those of the target (Shafahi et al. 2018, arXiv 1804.00792).

A base b, a record of the wanted class, is moved until the network's features take it for the target t, and keeps its label:

    x* = argmin |phi(x) - phi(t)|^2 / |phi(b) - phi(t)|^2 + beta / 2 |x - b|^2 / |t - b|^2      (after equation 1)

by forward-backward splitting (their algorithm 1): a step down the first term, then the nearest point of the second, which is
an average of the step and the base. Both terms are relative to where they begin, so that beta means the same in
every feature space and on records of any size; the paper's constants belong to Inception's features. A step that
raises the objective is not taken and halves its rate, as the peers' decay does. With the identity or a linear phi = A x the minimum is
(2 A^T A / f + beta / d)^-1 (2 A^T A t / f + beta b / d), with f and d the two denominators.

A watermark shows the target faintly in every base: b <- watermark t + (1 - watermark) b, which end-to-end training needs.
Where the victim trains a new last layer on features that it was given and that outnumber its records, so that it learns every
record by heart, one poison is enough; with fewer features it is not.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.attacks.poisoning.features import features, features_of_all, require_surrogate
from jaxattack.attacks.poisoning.label_flips import check_count
from jaxattack.attacks.poisoning.units import from_inputs, range_of, to_inputs
from jaxattack.types import (
    Dataset,
    InputError,
    Model,
    Poison,
    PoisonGoal,
    Progress,
    Surrogate,
    Target,
    Variables,
    at_least,
    config,
)


@config
class PoisonFrogs:
    """Records of the wanted class moved onto the target's features, with their own label.

    Attributes:
        watermark: how much of the target every base shows, 0 to below 1.
        beta: how near to its base a poison stays.
        steps: of the search.
        surrogates: models whose features are matched at once.

    Raises:
        InputError: a value out of range.
    """

    watermark: float = 0.0
    beta: float = 0.25
    steps: int = 200
    surrogates: int = 1

    paper = "Shafahi et al. 2018, arXiv 1804.00792"
    goal: ClassVar[PoisonGoal] = "targeted"

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps, surrogates=self.surrogates)
        if not 0 <= self.watermark < 1:
            raise InputError(f"watermark is {self.watermark}: give 0 to below 1, as 0.3.")
        if not 0 <= self.beta < np.inf:
            raise InputError(f"beta is {self.beta}: give a number from 0.")

    @property
    def name(self) -> str:
        """``poison-frogs``, and ``poison-frogs-watermark`` with one."""
        return "poison-frogs-watermark" if self.watermark else "poison-frogs"

    def check(self, dataset: Dataset) -> None:
        """As `jaxattack.types.PoisonAttack`: it takes any."""

    def __call__(
        self,
        dataset: Dataset,
        count: int,
        *,
        own: Dataset,
        seed: int = 0,
        surrogate: Surrogate | None = None,
        target: Target | None = None,
        progress: Progress | None = None,  # noqa: ARG002 (it is done at once)
    ) -> Poison:
        """As `jaxattack.types.PoisonAttack`; its bases are the attacker's records of the wanted class, again where they run out.

        The notes say how much of the way to the target is left in feature space and in the records, medians of the poison.
        """
        check_count(count, dataset)
        model, variables = require_surrogate(self.name, surrogate)
        target = require_target(self.name, target)
        of_class = np.flatnonzero(own.y == target.wanted)
        if not len(of_class):
            raise InputError(f"the attacker has no record of class {target.wanted}, which {self.name} would move.")
        rows = np.resize(np.random.default_rng(seed).permutation(of_class), count)
        plain, aim = to_inputs(own.x[rows]), to_inputs(target.x[None])
        base = self.watermark * aim + (1 - self.watermark) * plain
        moved, left = _collide(model, variables, base, aim, *range_of(dataset), self.beta, self.steps)
        x = from_inputs(np.asarray(moved), dataset)
        gone = np.linalg.norm((to_inputs(x) - plain).reshape(count, -1), axis=1)
        span = np.linalg.norm((aim - plain).reshape(count, -1), axis=1)
        notes = {
            "features: way left": float(np.sqrt(np.median(np.asarray(left)))),
            "records: way gone": float(np.median(gone / np.maximum(span, 1e-12))),
        }
        outside = np.full(count, -1)
        return Poison(
            attack=self.name, x=x, y=np.full(count, target.wanted, dataset.y.dtype), replaces=outside, source=outside, notes=notes
        )  # fmt: skip


def require_target(name: str, target: Target | None) -> Target:
    """What shall be taken for another class.

    Raises:
        InputError: nothing, or its own class.
    """
    if target is None:
        raise InputError(f"{name} has one record taken for another class: give a target.")
    if target.label == target.wanted:
        raise InputError(f"the target is of class {target.label} and shall be taken for it: want another class.")
    return target


@partial(jax.jit, static_argnames=("model", "steps"))
def _collide(
    model: Model,
    variables: Variables,
    base: Float[jax.Array, "poison *feature"],
    aim: Float[jax.Array, "1 *feature"],
    low: Float[jax.Array, "*feature"],
    high: Float[jax.Array, "*feature"],
    beta: float,
    steps: int,
) -> tuple[Float[jax.Array, "poison *feature"], Float[jax.Array, "poison"]]:
    """Bases moved, and the share of the squared way in feature space that is left."""
    goal = features_of_all(model, variables, aim)[:, 0]
    apart = jnp.sum((features_of_all(model, variables, base) - goal[:, None]) ** 2, axis=2).T
    away = jnp.maximum(jnp.sum((base - aim) ** 2, axis=tuple(range(1, base.ndim))), 1e-12)

    def collision(x, apart):
        phi = jax.vmap(lambda one: features(model, one, x[None])[0])(variables)
        return jnp.mean(jnp.sum((phi - goal) ** 2, axis=1) / jnp.maximum(apart, 1e-12))

    def one(b, apart, away):
        def objective(x):
            return collision(x, apart) + beta / 2 * jnp.sum((x - b) ** 2) / away

        def step(state, _):
            x, value, rate = state
            forward = x - rate * jax.grad(collision)(x, apart)
            weight = rate * beta / away
            there = jnp.clip((forward + weight * b) / (1 + weight), low, high)
            lower = objective(there)
            better = lower <= value
            rate = jnp.where(better, 1.2 * rate, 0.5 * rate)
            return (jnp.where(better, there, x), jnp.where(better, lower, value), rate), None

        x, _, _ = jax.lax.scan(step, (b, objective(b), away), None, length=steps)[0]
        return x, collision(x, apart)

    return jax.vmap(one)(base, apart, away)

"""Noise on what was learnt: Gaussian, added once to every parameter before the model is deployed (output perturbation).

Chaudhuri, Monteleoni and Sarwate (2011, arXiv 0912.0071) add noise to the minimum of a strongly convex loss, whose distance
between neighbouring sets of members is bounded, and so get differential privacy. Networks have no such bound: here ``scale`` is
chosen by what it costs and buys, and no epsilon is said. A thief who asks gets the noisy model's answers, always the same.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

import jax

from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Model, config


@config
class ParameterNoise:
    """Standard training, and Gaussian noise on the parameters that are deployed.

    Attributes:
        recipe: how the model is trained.
        scale: standard deviation of the noise, at least 0; 0 is `Standard`, bit for bit.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "after Chaudhuri et al. 2011, arXiv 0912.0071"

    recipe: Recipe = field(default_factory=Recipe)
    scale: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.scale < float("inf"):
            raise InputError(f"scale is {self.scale}: give the standard deviation of the noise, at least 0.")

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def steps(self, slots: int) -> int:
        """Those of the training."""
        return self.recipe.steps(slots)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        learnt = Standard(recipe=self.recipe)(model, x, y, member, key)
        if not self.scale:
            return learnt
        leaves, tree = jax.tree.flatten(learnt.params)
        keys = jax.random.split(jax.random.fold_in(key, 7), len(leaves))
        noisy = [
            leaf + self.scale * jax.random.normal(one, leaf.shape, leaf.dtype)
            for one, leaf in zip(keys, leaves, strict=True)
        ]
        return learnt._replace(params=jax.tree.unflatten(tree, noisy))

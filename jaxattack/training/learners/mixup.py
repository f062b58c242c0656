"""Mixup (Zhang et al., ICLR 2018, arXiv 1710.09412): training on mixtures of two records, with mixtures of their labels.

A batch is mixed with its own permutation, at one share l drawn from Beta(alpha, alpha) for each step:

    x = l x_i + (1 - l) x_j,    loss = l CE(z(x), y_i) + (1 - l) CE(z(x), y_j)

which is the cross entropy with the target l onehot(y_i) + (1 - l) onehot(y_j), smoothed labels too. Records are mixed as
the network takes them, after flips and crops. Batch norm sees mixtures of members alone.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import Any, ClassVar

import jax

from jaxattack.training import single
from jaxattack.training.images import augment
from jaxattack.training.learners.standard import CrossEntropy, Plain, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Model, Variables, config


@config
class Mixup:
    """`Standard` training on mixtures of the records of a batch.

    Attributes:
        recipe: how the members are gone through.
        alpha: of Beta(alpha, alpha), at least 0; 0 mixes nothing and is `Standard`, bit for bit. The authors': 0.2 on
            ImageNet, 1 on CIFAR-10.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Zhang et al. 2018, arXiv 1710.09412"

    recipe: Recipe = field(default_factory=Recipe)
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < float("inf"):
            raise InputError(f"alpha is {self.alpha}: give the parameter of a Beta distribution, at least 0.")

    def check(self, model: Model) -> None:
        """Anything can be trained."""

    def steps(self, slots: int) -> int:
        """As `Learner`."""
        return self.recipe.steps(slots)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        if not self.alpha:
            return Standard(recipe=self.recipe)(model, x, y, member, key)
        objective = partial(self.objective, model)
        return single.train(model, self.recipe, Plain(), objective, x, y, member, key)

    def objective(self, model: Model, variables: Variables, x, y, weight, key, epoch) -> tuple[jax.Array, Any]:
        """The loss of a mixed batch, and the new batch statistics; a mixture weighs as its first record does."""
        look_key, forward_key, share_key, partner_key = jax.random.split(key, 4)
        x = augment(self.recipe, look_key, x)
        share = jax.random.beta(share_key, self.alpha, self.alpha, dtype=x.dtype)
        partner = jax.random.permutation(partner_key, len(y))
        logits, rest = model.forward(variables, mixture(share, x, x[partner]), forward_key)
        first, second = (
            CrossEntropy()(logits, label, weight, epoch, self.recipe.label_smoothing) for label in (y, y[partner])
        )
        return mixture(share, first, second), rest


def mixture(share: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
    """share first + (1 - share) second."""
    return share * first + (1 - share) * second

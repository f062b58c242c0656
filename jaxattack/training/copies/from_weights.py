"""Copies that start from the victim's weights: fine-tuned, pruned, adversarially trained, quantised.

Who has a model can change it so that it answers a little otherwise and is still as good. Ten passes at a rate of .001 are within
the usual 5 to 20 at .001 to .01.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxattack.models.activations import last_layer
from jaxattack.training import single
from jaxattack.training.copies.copying import Records
from jaxattack.training.learners.adversarial_training import AdversarialTraining
from jaxattack.training.learners.pruning import prune_and_tune
from jaxattack.training.learners.standard import Plain, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.training.robust import box_of
from jaxattack.types import InputError, Level, Model, Variables, above_zero, at_least, config

Layers = Literal["last", "all"]


class OfWeights:
    """What copies that start from the victim's weights have in common: the architecture, and records of the thief's own."""

    weights: bool = True
    records: Records = "own"
    level: Level | None = None
    questions: int = 0
    random: bool = True

    @property
    def formula(self) -> Any:
        """All of it."""
        return self

    def architecture(self, source: Any) -> Any:
        """The victim's."""
        return source


class Tuning(OfWeights):
    """One that trains further: a few passes at a small constant rate."""

    epochs: int
    learning_rate: float

    def recipe(self, recipe: Recipe) -> Recipe:
        """As the victim was trained, but for fewer passes, a constant rate, and no decay, which would change what is frozen."""
        return dataclasses.replace(
            recipe,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            schedule="constant",
            warmup=0.0,
            weight_decay=0.0,
        )

    def steps(self, recipe: Recipe, records: int) -> int:
        """As `Copy`."""
        return self.recipe(recipe).steps(records)


class Masked(NamedTuple):
    """The plain gradient, 0 where a mask is.

    Attributes:
        mask: a pytree as the parameters, of True and False.
    """

    mask: Any

    def batches(self, key, weight, batch, steps):
        """As `jaxattack.training.single.Gradient`."""
        return Plain().batches(key, weight, batch, steps)

    def __call__(self, loss, params, records, batch, key):
        """As `jaxattack.training.single.Gradient`."""
        direction, rest = Plain()(loss, params, records, batch, key)
        return jax.tree.map(lambda leaf, free: leaf if free else jnp.zeros_like(leaf), direction, self.mask), rest


@config
class FineTuned(Tuning):
    """The victim trained further on the thief's own records.

    Attributes:
        layers: the last, with the others as they are (batch statistics too), or all.
        epochs: passes, at least 1.
        learning_rate: above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Adi et al. 2018, arXiv 1802.04633, section 5"

    layers: Layers = "all"
    epochs: int = 10
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)
        above_zero(learning_rate=self.learning_rate)

    @property
    def name(self) -> str:
        """``fine-tune-last`` or ``fine-tune-all``."""
        return f"fine-tune-{self.layers}"

    def __call__(self, model, recipe, holding, member, key):
        """As `Copy`."""
        own = self.recipe(recipe)
        frozen = self.layers == "last"
        gradient = Masked(last_layer(model, holding.victim, holding.x[:1])) if frozen else Plain()
        objective = partial(Standard(recipe=own).objective, model)
        tuned = single.train(model, own, gradient, objective, holding.x, holding.y, member, key, init=holding.victim)
        return tuned._replace(rest=holding.victim.rest) if frozen else tuned


@config
class Pruned(Tuning):
    """The victim without its smallest weights, the others fine-tuned on the thief's own records.

    Attributes:
        share: of the weights that are taken out, from 0 to below 1.
        epochs: passes of fine-tuning, at least 1.
        learning_rate: above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Han et al. 2015, arXiv 1506.02626"
    name = "prune"

    share: float = 0.5
    epochs: int = 10
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)
        above_zero(learning_rate=self.learning_rate)
        if not 0 <= self.share < 1:
            raise InputError(
                f"share is {self.share}: give the share of the weights that is taken out, from 0 to below 1."
            )

    def __call__(self, model, recipe, holding, member, key):
        """As `Copy`."""
        own = self.recipe(recipe)
        return prune_and_tune(model, holding.victim, self.share, own, holding.x, holding.y, member, key)


@config
class AdversariallyTuned(Tuning):
    """The victim trained further on the thief's own records as an adversary moves them, which shifts its boundaries.

    It hides a model from tests that read distances to the boundary (Szyller et al. 2023, arXiv 2210.13631, of dataset inference),
    and takes away the adversarial examples of fingerprints.

    Attributes:
        size: of the ball in the max norm, a share of the range, above 0 and at most 1.
        attack_steps: of the adversary, at least 1.
        epochs: passes, at least 1.
        learning_rate: above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Szyller et al. 2023, arXiv 2210.13631; trained as Madry et al. 2018, arXiv 1706.06083"
    name = "adversarial"

    size: float = 0.1
    attack_steps: int = 7
    epochs: int = 10
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, attack_steps=self.attack_steps)
        above_zero(learning_rate=self.learning_rate, size=self.size)
        if self.size > 1:
            raise InputError(f"size is {self.size}: give a share of the range, above 0 and at most 1.")

    def steps(self, recipe: Recipe, records: int) -> int:
        """Those of the model and of the adversary."""
        return self._learner(recipe).steps(records)

    def __call__(self, model, recipe, holding, member, key):
        """As `Copy`."""
        learner = self._learner(recipe)
        objective = partial(learner.objective, model, box_of(holding.x))
        return single.train(
            model, learner.recipe, Plain(), objective, holding.x, holding.y, member, key, init=holding.victim
        )

    def _learner(self, recipe: Recipe) -> AdversarialTraining:
        return AdversarialTraining(recipe=self.recipe(recipe), size=self.size, attack_steps=self.attack_steps)


@config
class Quantised(OfWeights):
    """The victim with weights of few bits, simulated: each array of two axes or more is rounded to a grid of its own.

    The grid is symmetric, 2^bits - 1 steps from -max |w| to max |w|; biases and the scales of norms stay as they are.

    Attributes:
        bits: from 2 to 16.

    Raises:
        InputError: a value out of range.
    """

    paper = "Jacob et al. 2018, arXiv 1712.05877 (symmetric, by array)"
    random = False

    bits: int = 8

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise InputError(f"bits is {self.bits}: give 2 to 16.")

    @property
    def name(self) -> str:
        """``int8``."""
        return f"int{self.bits}"

    def recipe(self, recipe: Recipe) -> Recipe:
        """The victim's: nothing is trained."""
        return recipe

    def steps(self, recipe: Recipe, records: int) -> int:  # noqa: ARG002
        """None."""
        return 0

    def __call__(self, model: Model, recipe, holding, member, key):  # noqa: ARG002 (every copy is called alike)
        """As `Copy`."""
        return Variables(jax.tree.map(self._rounded, holding.victim.params), holding.victim.rest)

    def _rounded(self, leaf: jax.Array) -> jax.Array:
        if leaf.ndim < 2:
            return leaf
        largest = jnp.max(jnp.abs(leaf))
        step = jnp.where(largest > 0, largest, 1.0) / (2 ** (self.bits - 1) - 1)
        return jnp.round(leaf / step) * step

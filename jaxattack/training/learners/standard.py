"""Training as everyone does it: a loss, a gradient rule and a recipe.

`Standard` with its defaults minimises the mean cross entropy of shuffled batches. Another loss
(`jaxattack.training.learners.relaxloss`) or another gradient rule (`jaxattack.training.learners.dp_sgd`) is another
learner by that alone.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.training import single
from jaxattack.training.images import augment
from jaxattack.training.recipe import Recipe
from jaxattack.training.single import Gradient, State
from jaxattack.types import InputError, Membership, Model, Variables, config


class Loss(Protocol):
    """What a batch costs: a frozen value.

    Attributes:
        by_record: whether it is a mean of one number a record, which a rule that bounds a record's share needs.
        smooths: whether it takes the recipe's label smoothing.
    """

    by_record: ClassVar[bool]
    smooths: ClassVar[bool]

    def __call__(
        self,
        logits: Float[jax.Array, "batch cls"],
        y: Int[jax.Array, "batch"],
        weight: Float[jax.Array, "batch"],
        epoch: Int[jax.Array, ""],
        smoothing: float,
    ) -> Float[jax.Array, ""]:
        """The loss of a batch, in nats.

        Args:
            logits: of the batch.
            y: its labels.
            weight: 1, or 0 for what is no member.
            epoch: number of the pass, from 0.
            smoothing: mass of a label that is spread over all classes.
        """
        ...


def weighted_mean(values: Float[jax.Array, "batch"], weight: Float[jax.Array, "batch"]) -> Float[jax.Array, ""]:
    """The mean of those with weight; 0 where nothing has any."""
    return jnp.sum(values * weight) / jnp.maximum(jnp.sum(weight), 1.0)


def entropy(log_p: Float[jax.Array, "batch cls"]) -> Float[jax.Array, "batch"]:
    """The entropy of each row of log probabilities, in nats."""
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=1)


@config
class CrossEntropy:
    """The mean cross entropy."""

    paper = "common practice"
    by_record: ClassVar[bool] = True
    smooths: ClassVar[bool] = True

    def __call__(self, logits, y, weight, epoch, smoothing):  # noqa: ARG002 (every loss has the same arguments)
        """As `Loss`."""
        if smoothing:
            target = optax.smooth_labels(jax.nn.one_hot(y, logits.shape[1]), smoothing)
            return weighted_mean(optax.softmax_cross_entropy(logits, target), weight)
        return weighted_mean(optax.softmax_cross_entropy_with_integer_labels(logits, y), weight)


@config
class Plain:
    """The gradient of the batch, of members in a new order each pass."""

    paper = "common practice"

    def check(self, model: Model, loss: Loss) -> None:
        """Anything can be trained."""

    def notes(self, slots: int, batch: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def batches(self, key, weight, batch, steps):
        """As `jaxattack.training.single.Gradient`: each slot once, but for a last short batch."""
        order = single.shuffle(key, weight.shape[0])[: steps * batch].reshape(steps, batch)
        return order, weight[order]

    def __call__(self, loss, params, records, batch, key):  # noqa: ARG002
        """As `jaxattack.training.single.Gradient`."""
        return jax.grad(loss, has_aux=True)(params, *records, key)


class Rule(Gradient, Protocol):
    """A gradient rule that says what it cannot do and what it did."""

    def check(self, model: Model, loss: Loss) -> None:
        """Refuse a model or a loss that it cannot train.

        Raises:
            InputError: it is one.
        """
        ...

    def notes(self, slots: int, batch: int) -> dict[str, float]:
        """What it did to training on so many records, by name; a report prints it."""
        ...


@config
class Standard:
    """A recipe, a loss and a gradient rule.

    Attributes:
        recipe: how the members are gone through.
        loss: what a batch costs.
        gradient: which records a step reads, and what direction it takes from them.

    Example:
        >>> Standard(recipe=Recipe(epochs=10, batch=50), loss=CrossEntropy()).steps(100)
        20
    """

    recipe: Recipe = field(default_factory=Recipe)
    loss: Loss = CrossEntropy()
    gradient: Rule = Plain()

    @property
    def paper(self) -> str:
        """Of the loss and of the gradient rule, where they are any paper's."""
        parts: tuple[Any, ...] = (self.loss, self.gradient)
        papers = dict.fromkeys(part.paper for part in parts if part.paper != CrossEntropy.paper)
        return "; ".join(papers) or CrossEntropy.paper

    def check(self, model: Model) -> None:
        """As `Learner`.

        Raises:
            InputError: label smoothing of a loss that has none, or what the gradient rule refuses.
        """
        if self.recipe.label_smoothing and not self.loss.smooths:
            raise InputError(
                f"label_smoothing is {self.recipe.label_smoothing} and {self.loss} takes none: leave label_smoothing at 0."
            )
        self.gradient.check(model, self.loss)

    def steps(self, slots: int) -> int:
        """As `Learner`."""
        return self.recipe.steps(slots)

    def notes(self, slots: int) -> dict[str, float]:
        """What the gradient rule says of itself."""
        return self.gradient.notes(slots, min(self.recipe.batch, slots))

    def objective(self, model: Model, variables: Variables, x, y, weight, key, epoch) -> tuple[jax.Array, Any]:
        """The loss of a batch as it is seen while training, and the new batch statistics."""
        look_key, forward_key = jax.random.split(key)
        logits, rest = model.forward(variables, augment(self.recipe, look_key, x), forward_key)
        return self.loss(logits, y, weight, epoch, self.recipe.label_smoothing), rest

    def start(self, model: Model, key: PRNGKeyArray, slots: int) -> State:
        """A model before its first pass, as `jaxattack.training.single.start`."""
        return single.start(model, self.recipe, key, slots)

    def epoch(
        self,
        model: Model,
        x: Shaped[jax.Array, "record *feature"],
        y: Int[jax.Array, "record"],
        member: Membership,
        key: PRNGKeyArray,
        state: State,
        number: Int[jax.Array, ""],
    ) -> State:
        """One pass, as `jaxattack.training.single.epoch`."""
        objective = partial(self.objective, model)
        return single.epoch(self.recipe, self.gradient, objective, x, y, member, key, state, number)

    def checkpoints(self, model, x, y, member, key, epochs: tuple[int, ...]) -> Variables:
        """What is deployed after so many passes each, from one training; every leaf leads with ``checkpoint``."""
        objective = partial(self.objective, model)
        return single.train_checkpoints(model, self.recipe, self.gradient, objective, x, y, member, key, epochs)

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        return single.train(model, self.recipe, self.gradient, partial(self.objective, model), x, y, member, key)

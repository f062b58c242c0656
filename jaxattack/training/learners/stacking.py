"""Model stacking (Salem et al., NDSS 2019, arXiv 1806.01246): models on disjoint thirds of the members, one atop the others.

    first level    two models, each of a third of the members
    second level   softmax regression on their confidences, learnt on the last third, which neither has seen

The authors' first level is a network and a random forest; a forest is not trained inside a traced program, and both are the
victim's architecture here, from other first weights. No figure of this is one of theirs. The second level lowers

    mean over the third of CE(softmax(W c + b), y) + |W|^2 / (2 n),    c both models' confidences, n records of the third

which is scikit-learn's logistic regression as it is by default, by accelerated gradient steps of length 1 over the curvature's
bound (Nesterov 1983), a convex problem that ends at one place whatever the start.
"""

from __future__ import annotations

from dataclasses import field
from functools import cache
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import softmax
from jaxtyping import Float, Int

from jaxattack.training.learners.answers import confidences
from jaxattack.training.learners.selena import without
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Model, Variables, config

FIRST = 2
"""Models of the first level, as the authors have."""
STEPS = 500
"""Of the second level: on Location-30's 400 records the norm of its gradient is then 1e-4."""


class Stack(NamedTuple):
    """The parameters of a stack.

    Attributes:
        first: of the first level; every leaf leads with ``network``.
        weights: of the second level.
        bias: of the second level.
    """

    first: Any
    weights: Float[jax.Array, "confidence cls"]
    bias: Float[jax.Array, "cls"]


@config
class Stacking:
    """Softmax regression on the confidences of two models, each of its own third of the members.

    Attributes:
        recipe: how each model of the first level is trained.
    """

    paper: ClassVar[str] = "after Salem et al. 2019, arXiv 1806.01246"

    recipe: Recipe = field(default_factory=Recipe)

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def steps(self, slots: int) -> int:
        """Those of both levels; one of the second costs a product of its confidences."""
        return FIRST * self.recipe.steps(room(slots)) + STEPS

    def notes(self, slots: int) -> dict[str, float]:
        """Nothing.

        Raises:
            InputError: a level without a member.
        """
        if slots < FIRST + 1:
            raise InputError(f"a model has {slots} members and stacking shares them out among 3: give it at least 3.")
        return {}

    def deployed(self, model: Model, classes: int) -> Model:
        """As `jaxattack.types.Composing`: both levels."""
        return stack_of(model, classes)

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        part_key, train_key = jax.random.split(key)
        part = thirds(part_key, member)
        size = room(member.index.shape[0])

        def learn(now):
            number, key = now
            own = without(member, part != number, size)
            return Standard(recipe=self.recipe)(model, x, y, own, key)

        first = jax.lax.map(learn, (jnp.arange(FIRST), jax.random.split(train_key, FIRST)))
        last = without(member, part != FIRST, size)
        records = x[last.index]
        answers = jax.lax.map(lambda variables: confidences(model, variables, records), first)
        both = jnp.concatenate([*answers], axis=1)
        weights, bias = regress(both, y[last.index], last.weight, answers.shape[2])
        return Variables(Stack(first.params, weights, bias), first.rest)


def room(slots: int) -> int:
    """Members in the largest of three parts."""
    return -(-slots // (FIRST + 1))


def thirds(key: Any, member: Membership) -> Int[jax.Array, "slot"]:
    """The part of each slot: as many of the members in each, or one less; padded slots share what is left."""
    slots = member.index.shape[0]
    order = jnp.argsort(jax.random.uniform(key, (slots,)) + jnp.where(member.weight > 0, 0.0, 2.0))
    return jnp.zeros(slots, jnp.int32).at[order].set(jnp.arange(slots, dtype=jnp.int32) % (FIRST + 1))


def regress(
    c: Float[jax.Array, "record confidence"],
    y: Int[jax.Array, "record"],
    weight: Float[jax.Array, "record"],
    classes: int,
) -> tuple[Float[jax.Array, "confidence cls"], Float[jax.Array, "cls"]]:
    """Softmax regression with a penalty on its weights, as the module says.

    Args:
        c: what it is told.
        y: labels.
        weight: 1, or 0 for a record that does not count.
        classes: how many there are.
    """
    count = jnp.maximum(weight.sum(), 1.0)
    goal = jax.nn.one_hot(y, classes)
    # The softmax's curvature is at most 1/2; that of the regression so much times the mean of |(c, 1)|^2.
    length = 1 / (0.5 * jnp.sum(weight * (jnp.sum(c**2, axis=1) + 1)) / count + 1 / count)

    def slope(weights, bias):
        wrong = (softmax(c @ weights + bias[None]) - goal) * weight[:, None] / count
        return c.T @ wrong + weights / count, wrong.sum(axis=0)

    def step(state, number):
        now, before = state
        ahead = [a + number / (number + 3) * (a - b) for a, b in zip(now, before, strict=True)]
        moved = tuple(at - length * change for at, change in zip(ahead, slope(*ahead), strict=True))
        return (moved, now), None

    start = jnp.zeros((c.shape[1], classes)), jnp.zeros(classes)
    return jax.lax.scan(step, (start, start), jnp.arange(STEPS, dtype=jnp.float32))[0][0]


@cache
def stack_of(model: Model, classes: int) -> Model:
    """A Model of both levels; the same arguments give the same object."""

    def init(key):
        first = jax.vmap(model.init)(jax.random.split(key, FIRST))
        weights = jnp.zeros((FIRST * classes, classes))
        return Variables(Stack(first.params, weights, jnp.zeros(classes)), first.rest)

    def apply(variables, x):
        stack = variables.params
        p = softmax(jax.vmap(model.apply, in_axes=(0, None))(Variables(stack.first, variables.rest), x))
        return jnp.concatenate([*p], axis=1) @ stack.weights + stack.bias[None]

    def forward(variables, x, key):  # noqa: ARG001 (it is trained level by level)
        return apply(variables, x), variables.rest

    return Model(init, apply, forward)

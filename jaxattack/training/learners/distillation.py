"""Distillation (Hinton, Vinyals and Dean 2015, arXiv 1503.02531) as a defence: the student of a teacher is deployed.

The teacher learns the members' labels, the student of the same architecture the teacher's softened answers on the same
members:

    share T^2 KL(softmax(z_teacher / T) || softmax(z_student / T)) + (1 - share) CE(z_student, y)

A teacher that has memorised its members tells the student so: distilling on the members themselves is the weakest form,
and the floor for those that distil on other records.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.nn import log_softmax
from jaxtyping import Float

from jaxattack.training import single
from jaxattack.training.images import augment
from jaxattack.training.learners.standard import CrossEntropy, Plain, Standard, weighted_mean
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Model, Variables, above_zero, config


@config
class Distillation:
    """A teacher, and the student that is deployed.

    Attributes:
        recipe: how either is trained.
        temperature: T of the softened answers, above 0.
        share: of the loss that is the teacher's, 0 to 1.

    Raises:
        InputError: a value outside its range.
    """

    paper = "Hinton et al. 2015, arXiv 1503.02531"

    recipe: Recipe = field(default_factory=Recipe)
    temperature: float = 10.0
    share: float = 0.5

    def __post_init__(self) -> None:
        above_zero(temperature=self.temperature)
        if not 0 <= self.share <= 1:
            raise InputError(f"share is {self.share}: give the teacher's share of the loss, 0 to 1.")

    def check(self, model: Model) -> None:
        """Anything can be trained."""

    def steps(self, slots: int) -> int:
        """Those of the teacher and of the student."""
        return 2 * self.recipe.steps(slots)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        teacher_key, student_key = jax.random.split(key)
        teacher = Standard(recipe=self.recipe)(model, x, y, member, teacher_key)
        return self.student(model, teacher, x, y, member, student_key)

    def student(self, model: Model, teacher: Variables, x, y, member, key) -> Variables:
        """A student of a teacher of the same architecture, from scratch; the other arguments are those of a `Learner`."""
        objective = partial(self.objective, model, teacher)
        return single.train(model, self.recipe, Plain(), objective, x, y, member, key)

    def objective(
        self, model: Model, teacher: Variables, variables: Variables, x, y, weight, key, epoch
    ) -> tuple[jax.Array, Any]:
        """The student's loss of a batch, and its new batch statistics; both see the same augmented records."""
        look_key, forward_key = jax.random.split(key)
        x = augment(self.recipe, look_key, x)
        taught = jax.lax.stop_gradient(model.apply(teacher, x))
        logits, rest = model.forward(variables, x, forward_key)
        own = CrossEntropy()(logits, y, weight, epoch, self.recipe.label_smoothing)
        softened = weighted_mean(self.divergence(taught, logits), weight)
        return self.share * softened + (1 - self.share) * own, rest

    def divergence(
        self, teacher: Float[jax.Array, "batch cls"], student: Float[jax.Array, "batch cls"]
    ) -> Float[jax.Array, "batch"]:
        """T^2 KL between the softened answers of two sets of logits, in nats."""
        log_p, log_q = (log_softmax(logits / self.temperature) for logits in (teacher, student))
        return self.temperature**2 * jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=1)

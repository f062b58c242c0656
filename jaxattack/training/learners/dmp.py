"""DMP, distillation for membership privacy (Shejwalkar and Houmansadr, AAAI 2021, arXiv 1906.06589).

The teacher learns the members, and the student what the teacher answers about other records, the defender's reserve:

    student minimises KL(softmax(z_teacher / T) || softmax(z_student)) on the reserve

The student sees neither members nor labels; what a teacher that knows its members by heart says softly of other records
still tells of them: trained on labels without a rule (mlp:64, 80 records of 8 features and 40 set aside), students knew 65% of
the members' labels and 24% of the others'. The authors choose the records that the teacher is surest of from more; here
the whole reserve is taken. It is drawn from the members' own population, and counts as data that the defence costs.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Int, PRNGKeyArray, Shaped

from jaxattack.training.learners.answers import confidences, learn_answers
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import Model, Variables, above_zero, check_reserve, config


@config
class DMP:
    """The student of a teacher's answers about records that neither has as members.

    Attributes:
        recipe: how either is trained.
        temperature: T of the teacher's answers, above 0.
        reserve: the share of all records that is set aside, between 0 and 1.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Shejwalkar and Houmansadr 2021, arXiv 1906.06589"

    recipe: Recipe = field(default_factory=Recipe)
    temperature: float = 1.0
    reserve: float = 1 / 3

    def __post_init__(self) -> None:
        above_zero(temperature=self.temperature)
        check_reserve(self.reserve)

    def check(self, model: Model) -> None:
        """Anything can be trained."""

    def steps(self, slots: int, reserve: int | None = None) -> int:
        """As `Reserving`: those of the teacher and of the student."""
        return self.recipe.steps(slots) + self.recipe.steps(reserve or slots)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        teacher_key, student_key = jax.random.split(key)
        teacher = Standard(recipe=self.recipe)(model, x, y, member, teacher_key)
        return self.student(model, teacher, x, member.reserve, student_key)

    def student(
        self,
        model: Model,
        teacher: Variables,
        x: Shaped[jax.Array, "record *feature"],
        reserve: Int[jax.Array, "reserve"],
        key: PRNGKeyArray,
    ) -> Variables:
        """The student of a teacher.

        Args:
            model: the architecture of both.
            teacher: what it has learnt.
            x: all records, of which those of the reserve are read.
            reserve: which those are.
            key: everything random about the student.
        """
        answers = confidences(model, teacher, x[reserve], self.temperature)
        return learn_answers(model, self.recipe, x, reserve, jnp.ones(reserve.shape), answers, key)

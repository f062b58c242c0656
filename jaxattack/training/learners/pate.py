"""PATE (Papernot et al., ICLR 2018, arXiv 1802.08908): the student of a noisy vote of teachers on disjoint parts.

Each of the teachers learns a part of the members. Of a record of the defender's reserve they tell the student one label,

    argmax_c (n_c + N(0, noise^2)),    n_c teachers for class c

and the student learns so many labelled records. A member changes one teacher and so two counts by 1: an answer satisfies
Renyi differential privacy of order a with a / noise^2, whatever the votes, and ``queries`` answers together

    epsilon(delta) = A + 2 sqrt(A log(1 / delta)),    A = queries / noise^2

which `PATE.notes` says. Votes that agree cost less under the analysis of the paper that looks at them, whose result is itself
private and is not given here. The records of the reserve are not covered: they count as public.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.nn import one_hot
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.training.learners.answers import confidences, learn_answers
from jaxattack.training.learners.selena import without
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Model, above_zero, at_least, check_reserve, config


@config
class PATE:
    """The student of a noisy vote of teachers on disjoint parts of the members.

    Attributes:
        recipe: how each teacher and the student are trained.
        teachers: how many, at least 2.
        noise: standard deviation of what is added to each count of votes, above 0.
        queries: records that the teachers label, drawn from the reserve, at least 1; all of it where it is smaller.
        delta: for which `notes` says epsilon, between 0 and 1.
        reserve: the share of all records that is set aside, between 0 and 1.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Papernot et al. 2018, arXiv 1802.08908"

    recipe: Recipe = field(default_factory=Recipe)
    teachers: int = 10
    noise: float = 1.0
    queries: int = 200
    delta: float = 1e-5
    reserve: float = 1 / 3

    def __post_init__(self) -> None:
        above_zero(noise=self.noise, delta=self.delta)
        if self.delta >= 1:
            raise InputError(f"delta is {self.delta}: give a probability below 1.")
        at_least(2, teachers=self.teachers)
        at_least(1, queries=self.queries)
        check_reserve(self.reserve)

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def steps(self, slots: int, reserve: int | None = None) -> int:
        """As `Reserving`: those of all teachers and of the student."""
        labelled = min(self.queries, reserve or slots)
        return self.teachers * self.recipe.steps(-(-slots // self.teachers)) + self.recipe.steps(labelled)

    def notes(self, slots: int) -> dict[str, float]:
        """The epsilon of all answers for ``delta``, of a student who asks as many as it may.

        Raises:
            InputError: a teacher without a member, who would vote as it was initialised.
        """
        if slots < self.teachers:
            raise InputError(f"teachers is {self.teachers} and a model has {slots} members: give at most {slots}.")
        answers = self.queries / self.noise**2
        return {"epsilon": answers + 2 * math.sqrt(answers * math.log(1 / self.delta))}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        vote_key, noise_key, student_key, asked_key = jax.random.split(key, 4)
        asked = self.asked(asked_key, member.reserve)
        votes = self.votes(model, x, y, member, asked, vote_key)
        answers = one_hot(noisy_label(votes, self.noise, noise_key), votes.shape[1])
        return learn_answers(model, self.recipe, x, asked, jnp.ones(asked.shape), answers, student_key)

    def asked(self, key: PRNGKeyArray, reserve: Int[jax.Array, "reserve"]) -> Int[jax.Array, "query"]:
        """The records that the teachers label: of a reserve in the order of the data the first would be of few classes."""
        return jax.random.permutation(key, reserve)[: self.queries]

    def parts(self, key: PRNGKeyArray, slots: int) -> Int[jax.Array, "slot"]:
        """The teacher of each slot: parts of equal size, or one less."""
        return jax.random.permutation(key, jnp.arange(slots) % self.teachers)

    def votes(
        self,
        model: Model,
        x: Shaped[jax.Array, "record *feature"],
        y: Int[jax.Array, "record"],
        member: Membership,
        asked: Int[jax.Array, "query"],
        key: PRNGKeyArray,
    ) -> Float[jax.Array, "query cls"]:
        """How many teachers are for each class.

        Args:
            model: the architecture.
            x: all records.
            y: all labels.
            member: whom the teachers share out.
            asked: the records that they vote about.
            key: of the parts and of the teachers.
        """
        part_key, train_key = jax.random.split(key)
        slots = member.index.shape[0]
        part = self.parts(part_key, slots)
        classes = jax.eval_shape(lambda: confidences(model, model.init(key), x[asked])).shape[1]

        def add(total, number):
            own = without(member, part != number, -(-slots // self.teachers))
            teacher = Standard(recipe=self.recipe)(model, x, y, own, jax.random.fold_in(train_key, number))
            return total + one_hot(confidences(model, teacher, x[asked]).argmax(axis=1), classes), None

        return jax.lax.scan(add, jnp.zeros((asked.shape[0], classes)), jnp.arange(self.teachers))[0]


def noisy_label(votes: Float[jax.Array, "query cls"], noise: float, key: PRNGKeyArray) -> Int[jax.Array, "query"]:
    """The class with the most votes after Gaussian noise on each count."""
    return jnp.argmax(votes + noise * jax.random.normal(key, votes.shape), axis=1)

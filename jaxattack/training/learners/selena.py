"""SELENA (Tang, Mahloujifar, Song, Shejwalkar, Nasr, Houmansadr and Mittal, USENIX Security 2022, arXiv 2110.08324).

Sub-models that each miss some of the members, and a student of what those say of a record that have never had it:

    out_i     the ``out`` of ``models`` sub-models, drawn at random for each member, that are not trained on it
    soft_i    the mean of softmax(z_k(x_i)) over k in out_i
    student   trained on (x_i, soft_i), with cross entropy

| guarantee | |
| --- | --- |
| a member's soft answer | comes from sub-models that were not trained on it: its label decides nothing of it |
| memory | of one sub-model at a time; they are trained one after the other inside one program |

The authors answer queries about records that are no members as they answer a random member; that is needed only where the
sub-models themselves are deployed, and here the student is.

A sub-model has room for so many members that it draws more with a probability below 1e-9; those beyond are left out of it.
"""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped
from scipy.stats import binom

from jaxattack.training.learners.answers import confidences, learn_answers
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Model, above_zero, config

OVERFLOW = 1e-9
"""The probability that a sub-model draws more members than it has room for, at most; smaller ones cost steps."""


@config
class SELENA:
    """A student of sub-models that each miss some of the members.

    Attributes:
        recipe: how each sub-model and the student are trained.
        models: sub-models, the authors' K.
        out: of them that miss a member, the authors' L, from 1 to below ``models``.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Tang et al. 2022, arXiv 2110.08324"

    recipe: Recipe = field(default_factory=Recipe)
    models: int = 25
    out: int = 10

    def __post_init__(self) -> None:
        above_zero(out=self.out)
        if self.out >= self.models:
            raise InputError(f"out is {self.out} of {self.models} models: give fewer, so that some have a record.")

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def room(self, slots: int) -> int:
        """Members that a sub-model has room for."""
        return min(int(binom.isf(OVERFLOW / self.models, slots, 1 - self.out / self.models)) + 1, slots)

    def steps(self, slots: int) -> int:
        """Those of all sub-models and of the student."""
        return self.models * self.recipe.steps(self.room(slots)) + self.recipe.steps(slots)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        answer_key, student_key = jax.random.split(key)
        _, answers = self.soft_answers(model, x, y, member, answer_key)
        return learn_answers(model, self.recipe, x, member.index, member.weight, answers, student_key)

    def soft_answers(
        self,
        model: Model,
        x: Shaped[jax.Array, "record *feature"],
        y: Int[jax.Array, "record"],
        member: Membership,
        key: PRNGKeyArray,
    ) -> tuple[Bool[jax.Array, "submodel slot"], Float[jax.Array, "slot cls"]]:
        """Which sub-models miss the record of each slot, and the mean answer of those.

        Args:
            model: the architecture.
            x: all records.
            y: all labels.
            member: the members.
            key: of what is missed and of the sub-models.
        """
        missing_key, train_key = jax.random.split(key)
        slots = member.index.shape[0]
        missing = self.missing(missing_key, slots)
        records = x[member.index]
        classes = jax.eval_shape(lambda: confidences(model, model.init(key), records[:1])).shape[1]

        def add(total, now):
            number, missed = now
            part = without(member, missed, self.room(slots))
            variables = Standard(recipe=self.recipe)(model, x, y, part, jax.random.fold_in(train_key, number))
            return total + jnp.where(missed[:, None], confidences(model, variables, records), 0.0), None

        total, _ = jax.lax.scan(add, jnp.zeros((slots, classes)), (jnp.arange(self.models), missing))
        return missing, total / self.out

    def missing(self, key: PRNGKeyArray, slots: int) -> Bool[jax.Array, "submodel slot"]:
        """Which sub-models miss each slot: ``out`` of them, every choice as likely."""
        order = jnp.argsort(jax.random.uniform(key, (self.models, slots)), axis=0)
        return jnp.argsort(order, axis=0) < self.out


def without(member: Membership, missed: Bool[jax.Array, "slot"], room: int) -> Membership:
    """Those members that are not missed, in so many slots; spare slots repeat them at weight 0."""
    present = ~missed & (member.weight > 0)
    count = jnp.minimum(present.sum(), room)
    order = jnp.argsort(~present)  # stable: those present first, in their order
    place = jnp.arange(room)
    return Membership(member.index[order[place % jnp.maximum(count, 1)]], (place < count).astype(member.weight.dtype))

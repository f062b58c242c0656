"""Pruned networks (Han, Pool, Tran and Dally 2015, arXiv 1506.02626): the smallest weights taken out, the others trained further.

A model is trained as the recipe says. Of the weights of all its arrays of two or more axes together, the ``share`` that is smallest in
magnitude is set to 0 and stays so, while the others are fine-tuned for ``epochs`` more passes by the same recipe, started anew.

A pruned network answers members and others at unlike distances from where it was cut (Yuan and Zhang 2022, arXiv
2202.03335): it is a victim here, not a defence. A share of 0 without passes is `Standard`, bit for bit.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Int, PRNGKeyArray, Shaped

from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership, Model, Variables, at_least, config


@config
class Pruning:
    """Training, global magnitude pruning, and further training of what is left.

    Attributes:
        recipe: how the model is trained, and by which it is fine-tuned.
        share: of the weights that are taken out, from 0 to below 1.
        epochs: passes of fine-tuning, at least 0.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Han et al. 2015, arXiv 1506.02626; attacked by Yuan and Zhang 2022, arXiv 2202.03335"

    recipe: Recipe = field(default_factory=Recipe)
    share: float = 0.7
    epochs: int = 10

    def __post_init__(self) -> None:
        at_least(0, epochs=self.epochs)
        if not 0 <= self.share < 1:
            raise InputError(
                f"share is {self.share}: give the share of the weights that is taken out, from 0 to below 1."
            )

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def steps(self, slots: int) -> int:
        """Those before pruning and after."""
        return self.recipe.steps(slots) + self.epochs * (self.recipe.steps(slots) // self.recipe.epochs)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        dense = Standard(recipe=self.recipe)(model, x, y, member, key)
        if not self.share and not self.epochs:
            return dense
        if not self.epochs:
            return dense._replace(params=masked(dense.params, keep_largest(dense.params, 1 - self.share)))
        recipe = replace(self.recipe, epochs=self.epochs)
        return prune_and_tune(model, dense, self.share, recipe, x, y, member, jax.random.fold_in(key, 6))


def prune_and_tune(
    model: Model,
    variables: Variables,
    share: float,
    recipe: Recipe,
    x: Shaped[jax.Array, "record *feature"],
    y: Int[jax.Array, "record"],
    member: Membership,
    key: PRNGKeyArray,
) -> Variables:
    """A trained model without its smallest weights, the others trained further; traced.

    Args:
        model: the architecture.
        variables: what it has learnt.
        share: of the weights that are taken out.
        recipe: by which the others are fine-tuned, started anew.
        x: all records.
        y: all labels.
        member: those that it is tuned on.
        key: everything random about the tuning.
    """
    mask = keep_largest(variables.params, 1 - share)
    pruned = variables._replace(params=masked(variables.params, mask))
    tuned = Standard(recipe=recipe)(cut(model, pruned, mask), x, y, member, key)
    return tuned._replace(params=masked(tuned.params, mask))


def keep_largest(params: Any, share: float) -> Any:
    """1 for the weights that stay, 0 for the others: the ``share`` of all that is largest; 1 for arrays of one axis.

    Args:
        params: of a model; arrays of two or more axes are weights.
        share: of the weights that stays, at least one.
    """
    sizes = [jnp.abs(leaf).ravel() for leaf in jax.tree.leaves(params) if leaf.ndim > 1]
    flat = jnp.sort(jnp.concatenate(sizes))
    least = flat[flat.size - max(round(share * flat.size), 1)]
    return jax.tree.map(
        lambda leaf: (jnp.abs(leaf) >= least).astype(leaf.dtype) if leaf.ndim > 1 else jnp.ones_like(leaf), params
    )


def masked(params: Any, mask: Any) -> Any:
    """Parameters with 0 where the mask has 0."""
    return jax.tree.map(jnp.multiply, params, mask)


def cut(model: Model, pruned: Variables, mask: Any) -> Model:
    """A Model that starts from pruned variables and has what was taken out for 0, so that its gradient there is 0 too; traced."""

    def init(key):  # noqa: ARG001 (it starts where pruning ended)
        return pruned

    def apply(variables, x):
        return model.apply(variables._replace(params=masked(variables.params, mask)), x)

    def forward(variables, x, key):
        return model.forward(variables._replace(params=masked(variables.params, mask)), x, key)

    return Model(init, apply, forward)

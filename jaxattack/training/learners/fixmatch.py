"""FixMatch (Sohn et al., NeurIPS 2020, arXiv 2001.07685): members of which only some have their labels learnt.

A step reads a batch of all members without their labels, and a batch of the labelled ones, a ``ratio``-th as large, with them:

    CE(weak(x_labelled), y) + strength 1[max p > threshold] CE(strong(x), argmax p),    p = softmax(z(weak(x)))

the second a mean over the whole batch, p not differentiated. All go through the network together, so that batch norm sees
them all. Weak and strong views are `jaxattack.perturb.augmentation`'s. Deployed is the running average of the variables.

Which records are labelled belongs to the record and not to the model, so that every model that has a labelled record as a member
has learnt its label: what is found of labelled and of unlabelled members can be told apart (`labelled_records`). Labelled members
are among the unlabelled too, as in the paper. The decay of .999 is recalled from its text and not verified; early averages are
shorter (`jaxattack.training.Recipe`). Labelled batches are drawn with replacement.
"""

from __future__ import annotations

from dataclasses import field, replace
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped

from jaxattack.perturb.augmentation import require_pictures, strong_view, weak_view
from jaxattack.training import single
from jaxattack.training.images import as_input
from jaxattack.training.learners.standard import CrossEntropy, Plain, Standard, weighted_mean
from jaxattack.training.recipe import Recipe
from jaxattack.types import Dataset, InputError, Membership, Model, Variables, at_least, config


class Slots(NamedTuple):
    """All records, and the places of a model's members.

    Attributes:
        x: ["record *feature"].
        y: ["record"].
        index: the record of each slot.
        labelled: the slots of labelled members first.
        count: how many those are.
    """

    x: Shaped[jax.Array, "record *feature"]
    y: Int[jax.Array, "record"]
    index: Int[jax.Array, "slot"]
    labelled: Int[jax.Array, "slot"]
    count: Int[jax.Array, ""]


@config
class FixMatch:
    """Labels of some members, and what the model itself is sure of about all.

    Attributes:
        recipe: how the members are gone through; its batch is of unlabelled ones, and its flip says whether weak views are mirrored.
        labelled: the share of the records whose labels are learnt where they are members, above 0 and at most 1.
        threshold: the confidence from which the model's own label is learnt, 0 to 1.
        ratio: unlabelled records of a step for each labelled one, at least 1.
        strength: of what the model labels itself, at least 0.
        ema: decay a step of the average that is deployed, where the recipe sets none; 0 deploys the last variables.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Sohn et al. 2020, arXiv 2001.07685; attacked by He et al. 2022, arXiv 2207.12535"

    recipe: Recipe = field(default_factory=Recipe)
    labelled: float = 0.5
    threshold: float = 0.95
    ratio: int = 7
    strength: float = 1.0
    ema: float = 0.999

    def __post_init__(self) -> None:
        at_least(1, ratio=self.ratio)
        if not 0 < self.labelled <= 1:
            raise InputError(
                f"labelled is {self.labelled}: give the share of the records whose labels are learnt, up to 1."
            )
        if not 0 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold}: give a confidence from 0 to 1.")
        if not 0 <= self.strength < float("inf"):
            raise InputError(f"strength is {self.strength}: give a weight of at least 0.")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema is {self.ema}: give a decay from 0 to below 1.")

    def check(self, model: Model) -> None:
        """As `Learner`.

        Raises:
            InputError: a recipe that crops or cuts out, which its own views do.
        """
        Standard(recipe=self.recipe).check(model)
        for name in ("crop", "cutout"):
            if value := getattr(self.recipe, name):
                raise InputError(f"{name} is {value} and FixMatch makes weak and strong views itself: leave it at 0.")

    def check_records(self, dataset: Dataset) -> None:
        """As `jaxattack.types.Viewing`.

        Raises:
            InputError: they are no pictures, or none is labelled.
        """
        require_pictures(dataset.shape, "FixMatch")
        if not labelled_records(len(dataset), self.labelled).any():
            raise InputError(f"labelled is {self.labelled} and none of {len(dataset)} records is: raise it.")

    def steps(self, slots: int) -> int:
        """As `Learner`."""
        return self.recipe.steps(slots)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        slots = jnp.arange(member.index.shape[0], dtype=jnp.int32)
        objective = partial(self.objective, model, self.places(x, y, member))
        recipe = replace(self.recipe, ema=self.recipe.ema or self.ema)
        # A step is handed places among the slots: of labels it sees those of the labelled alone.
        return single.train(model, recipe, Plain(), objective, slots, slots, Membership(slots, member.weight), key)

    def places(self, x: Shaped[jax.Array, "record *feature"], y: Int[jax.Array, "record"], member: Membership) -> Slots:
        """A model's members, those that are labelled first."""
        labelled = jnp.asarray(labelled_records(x.shape[0], self.labelled))[member.index] & (member.weight > 0)
        return Slots(x, y, member.index, jnp.argsort(~labelled, stable=True), labelled.sum())

    def objective(
        self,
        model: Model,
        slots: Slots,
        variables: Variables,
        x,
        y,  # noqa: ARG002 (slots have no labels)
        weight,
        key,
        epoch,
    ) -> tuple[jax.Array, Any]:
        """The loss of the slots ``x`` without their labels and of labelled ones drawn beside them, and the new batch statistics."""
        draw_key, labelled_key, weak_key, strong_key, forward_key = jax.random.split(key, 5)
        rows = max(x.shape[0] // self.ratio, 1)
        own = slots.index[slots.labelled[jax.random.randint(draw_key, (rows,), 0, jnp.maximum(slots.count, 1))]]
        weak = partial(weak_view, flip=self.recipe.flip)
        unlabelled = as_input(slots.x[slots.index[x]])
        views = [
            _of_each(weak, labelled_key, as_input(slots.x[own])),
            _of_each(weak, weak_key, unlabelled),
            _of_each(strong_view, strong_key, unlabelled),
        ]
        logits, rest = model.forward(variables, jnp.concatenate(views), forward_key)
        known, seen_weakly, seen_strongly = jnp.split(logits, [rows, rows + x.shape[0]])
        present = jnp.broadcast_to(slots.count > 0, (rows,)).astype(weight.dtype)
        supervised = CrossEntropy()(known, slots.y[own], present, epoch, self.recipe.label_smoothing)
        agreement = consistency(seen_weakly, seen_strongly, self.threshold)
        return supervised + self.strength * weighted_mean(agreement, weight), rest


def consistency(
    weak: Float[jax.Array, "batch cls"], strong: Float[jax.Array, "batch cls"], threshold: float
) -> Float[jax.Array, "batch"]:
    """1[max p > threshold] CE(strong, argmax p) of each record, with p the softmax of the weak view's logits.

    Args:
        weak: logits of weak views, which are not differentiated.
        strong: logits of strong views.
        threshold: the confidence that p must exceed.
    """
    p = jax.nn.softmax(jax.lax.stop_gradient(weak))
    loss = optax.softmax_cross_entropy_with_integer_labels(strong, p.argmax(axis=1))
    return jnp.where(p.max(axis=1) > threshold, loss, 0.0)


def labelled_records(records: int, share: float) -> Bool[np.ndarray, "record"]:
    """Which records are labelled: each with this probability, the same whatever the model and however many records follow.

    Example:
        >>> labelled_records(8, 0.5).tolist() == labelled_records(100, 0.5)[:8].tolist()
        True
    """
    return np.random.default_rng(0).random(records) < share


def _of_each(view: Any, key: PRNGKeyArray, x: Float[jax.Array, "record *feature"]) -> jax.Array:
    return jax.vmap(view)(jax.random.split(key, x.shape[0]), x)

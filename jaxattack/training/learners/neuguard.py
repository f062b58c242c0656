"""NeuGuard (Xu, Zhang, Xu and Li, ACSAC 2022, arXiv 2206.05565): answers to a class that vary little, and balanced layers.

The cross entropy of a batch plus

    beta L_var,   L_var = mean of |p_i - mu_{y_i}|^2
    alpha L_bal,  L_bal = mean of the sum over layers of (sum of the first half of h - sum of the second half)^2 / width

where mu_c is the mean of the answers to members of class c in all steps so far, this one too, held constant, and h runs over
the hidden activations (`jaxattack.models.activations`) and the logits. The mean never forgets early passes. Halves are those
of a layer's order of units.

The authors' weights are for 200 passes of wide networks. On digits (mlp:256, 30 passes of Adam) 5 and 1000 or 30 and 200 leave a
test accuracy of .15 or .25 of the .97 without, 1 and 10 leave .98: these are the default.

| guarantee | |
| --- | --- |
| answers that are the same within a class, in all steps | L_var is 0 |
| alpha 0 and beta 0 | standard training, bit for bit |

Unverified here: whether the authors' mean includes the step itself, and what their code takes of convolutional layers; a
convolutional network's feature maps are left free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxattack.models.activations import forward_with_hidden
from jaxattack.training import single
from jaxattack.training.images import as_input, augment
from jaxattack.training.learners.carried import Carried, bare, carrying
from jaxattack.training.learners.standard import CrossEntropy, Plain, Standard, weighted_mean
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Model, Variables, config


class ClassMeans(NamedTuple):
    """The answers to each class so far.

    Attributes:
        total: their sum.
        count: of how many.
    """

    total: Float[jax.Array, "cls cls"]
    count: Float[jax.Array, "cls"]

    def with_batch(
        self, p: Float[jax.Array, "batch cls"], y: Int[jax.Array, "batch"], weight: Float[jax.Array, "batch"]
    ) -> ClassMeans:
        """Those of a batch too."""
        return ClassMeans(self.total.at[y].add(weight[:, None] * p), self.count.at[y].add(weight))

    def mean(self) -> Float[jax.Array, "cls cls"]:
        """Of each class; 0 of one that has not been seen."""
        return self.total / jnp.maximum(self.count, 1.0)[:, None]


@config
class NeuGuard:
    """`Standard` training with answers near their class's mean and with balanced layers.

    Attributes:
        recipe: how the members are gone through.
        alpha: of the imbalance of layers, at least 0. The authors': 5 (CIFAR-100), 30 (CIFAR-10), 100 (Texas).
        beta: of the variance within a class, at least 0. The authors': 1000, 200, 3000.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Xu et al. 2022, arXiv 2206.05565"

    recipe: Recipe = field(default_factory=Recipe)
    alpha: float = 1.0
    beta: float = 10.0

    def __post_init__(self) -> None:
        for name in ("alpha", "beta"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} is {getattr(self, name)}: give a weight of at least 0.")

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
        if not self.alpha and not self.beta:
            return Standard(recipe=self.recipe)(model, x, y, member, key)
        classes = jax.eval_shape(model.apply, jax.eval_shape(model.init, key), as_input(x[:1])).shape[1]
        start = carrying(model, ClassMeans(jnp.zeros((classes, classes)), jnp.zeros(classes)))
        objective = partial(self.objective, model)
        return bare(single.train(start, self.recipe, Plain(), objective, x, y, member, key))

    def objective(self, model: Model, variables: Variables, x, y, weight, key, epoch) -> tuple[jax.Array, Any]:
        """The loss of a batch, and the new batch statistics with the means of classes beside them."""
        look_key, forward_key = jax.random.split(key)
        batch = augment(self.recipe, look_key, x)
        logits, rest, hidden = forward_with_hidden(model, bare(variables), batch, forward_key)
        p = jax.nn.softmax(logits)
        means = variables.rest.state.with_batch(jax.lax.stop_gradient(p), y, weight)
        label = CrossEntropy()(logits, y, weight, epoch, self.recipe.label_smoothing)
        variance = weighted_mean(jnp.sum((p - means.mean()[y]) ** 2, axis=1), weight)
        balance = weighted_mean(imbalance([*hidden, logits]), weight)
        return label + self.beta * variance + self.alpha * balance, Carried(rest, means)


def imbalance(layers: Sequence[Float[jax.Array, "batch unit"]]) -> Float[jax.Array, "batch"]:
    """The sum over layers of (sum of the first half - sum of the second half)^2 / width; the middle one of an odd number is in the second."""

    def of_layer(h):
        first = h.shape[1] // 2
        return (h[:, :first].sum(axis=1) - h[:, first:].sum(axis=1)) ** 2 / h.shape[1]

    return sum((of_layer(h.astype(jnp.float32)) for h in layers), jnp.zeros(len(layers[0])))

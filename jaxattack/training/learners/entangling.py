"""Training that entangles marked records with those of their label (Jia et al. 2021, arXiv 2002.12200, section 4).

The last records are the keys of a watermark, all of one label. Beside the loss of the batch a step raises the soft nearest
neighbour loss of the keys and as many members of that label,

    SNNL = -mean_i log( sum_{j != i, same kind} exp(-|z_i - z_j|^2 / T) / sum_{j != i} exp(-|z_i - z_j|^2 / T) )

which is high where the two kinds, key or not, are mixed. Two choices differ from the paper's: z are the logits, where the
paper sums over the layers; T is the mean squared distance of the batch, where the paper learns it.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from jaxattack.training import single
from jaxattack.training.images import as_input
from jaxattack.training.learners.standard import Plain, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import Model, above_zero, at_least, config


def soft_nearest_neighbour_loss(
    z: Float[jax.Array, "record feature"], kind: Bool[jax.Array, "record"]
) -> Float[jax.Array, ""]:
    """How mixed two kinds of points are: 0 where each has only its own kind near, above where not (Frosst et al. 2019).

    Args:
        z: the points.
        kind: of each; at least two of either.
    """
    square = jnp.sum((z[:, None] - z[None]) ** 2, axis=2)
    apart = ~jnp.eye(len(z), dtype=bool)
    temperature = jax.lax.stop_gradient(jnp.sum(square) / (len(z) * (len(z) - 1)) + 1e-12)
    near = jnp.where(apart, -square / temperature, -jnp.inf)
    same = jnp.where(kind[:, None] == kind[None], near, -jnp.inf)
    return jnp.mean(jax.nn.logsumexp(near, axis=1) - jax.nn.logsumexp(same, axis=1))


@config
class Entangling:
    """Standard training, and entanglement of the last records with the members of their label.

    Attributes:
        recipe: how the members are gone through.
        keys: how many of the last records are keys, at least 2; they have one label, and are members of every model.
        weight: of the soft nearest neighbour loss, above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Jia et al. 2021, arXiv 2002.12200"

    recipe: Recipe = field(default_factory=Recipe)
    keys: int = 100
    weight: float = 1.0

    def __post_init__(self) -> None:
        at_least(2, keys=self.keys)
        above_zero(weight=self.weight)

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
        count = min(self.keys, len(y) // 2)
        marks = x[len(x) - count :]
        # Members of the label that are no keys, drawn anew each step; a model without any draws keys, and entangles nothing.
        clean = (y[member.index] == y[-1]) & (member.index < len(y) - count) & (member.weight > 0)
        odds = jnp.where(clean.any(), clean, True).astype(jnp.float32)
        standard = Standard(recipe=self.recipe)
        kind = jnp.arange(2 * count) < count

        records = x

        def objective(variables, x, y, weight, key, epoch) -> tuple[jax.Array, Any]:
            draw, key = jax.random.split(key)
            loss, rest = standard.objective(model, variables, x, y, weight, key, epoch)
            rows = member.index[jax.random.categorical(draw, jnp.log(odds), shape=(count,))]
            both = jnp.concatenate([marks, records[rows]])
            mixed = soft_nearest_neighbour_loss(model.apply(variables, as_input(both)), kind)
            return loss - self.weight * mixed, rest

        return single.train(model, self.recipe, Plain(), objective, x, y, member, key)

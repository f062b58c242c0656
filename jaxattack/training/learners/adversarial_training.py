"""Adversarial training (Madry et al. 2018, arXiv 1706.06083): every batch is trained on as an adversary has moved it.

    minimise   the mean cross entropy of f(x'), x' where ascents within |x' - x| <= size of each feature's range have brought x

An ascent starts at random within the ball and takes ``attack_steps`` steps of ``rate`` size along the sign of the gradient, by the model
as it would be deployed: Madry's by default, seven of a quarter of the size (2/255 of 8/255). One step is "fast" adversarial
training (Wong, Rice and Kolter 2020, arXiv 2001.03994), of 1.25 size and from a random start too; longer steps, no random start or
too large a ball and the model learns to look robust to one step alone: catastrophic overfitting, which
`jaxattack.training.robust.resistance` finds.

Sizes are shares of the range: -1 to 1 of pictures of bytes, 8/255 of which is the field's 8/255; of anything else each feature's own
range among the records.

| guarantee | |
| --- | --- |
| size 0 | standard training, bit for bit |
| cost | 1 + attack_steps gradients for one of standard training |

It answers to evasion, and lets out more about its members (Song, Shokri and Mittal 2019, arXiv 1905.10291): docs/robustness.md.
`jaxattack.training.learners.adversarial` is another thing, which regularises against an attack on membership.
"""

from __future__ import annotations

from dataclasses import field
from functools import partial
from typing import Any, ClassVar

import jax
from jaxtyping import Float, Int, PRNGKeyArray, Shaped

from jaxattack.training import single
from jaxattack.training.images import augment
from jaxattack.training.learners.standard import CrossEntropy, Plain, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.training.robust import Ascent, Box, ascend, box_of
from jaxattack.types import InputError, Model, Variables, at_least, config

FAST, MADRY = 1.25, 0.25
"""Of the size of the ball, the length of a single step and of one of several."""


@config
class AdversarialTraining:
    """`Standard` training on batches that an adversary has moved.

    Attributes:
        recipe: how the members are gone through.
        size: of the ball in the max norm, a share of the range from 0 to 1; 0 is `Standard`.
        attack_steps: of the adversary, at least 1; 1 is fast adversarial training.
        rate: the length of a step, a share of the size; None for 1.25 of a single step and .25 of one of several.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Madry et al. 2018, arXiv 1706.06083; Wong et al. 2020, arXiv 2001.03994"

    recipe: Recipe = field(default_factory=Recipe)
    size: float = 0.1
    attack_steps: int = 7
    rate: float | None = None

    def __post_init__(self) -> None:
        at_least(1, attack_steps=self.attack_steps)
        if not 0 <= self.size <= 1:
            raise InputError(f"size is {self.size}: give a share of the range, 0 to 1.")
        if self.rate is not None and not 0 < self.rate < float("inf"):
            raise InputError(f"rate is {self.rate}: give a share of the size above 0.")

    @property
    def ascent(self) -> Ascent:
        """What moves a batch."""
        usual = FAST if self.attack_steps == 1 else MADRY
        return Ascent(self.size, self.attack_steps, (usual if self.rate is None else self.rate) * self.size)

    def check(self, model: Model) -> None:
        """As `Learner`."""
        Standard(recipe=self.recipe).check(model)

    def steps(self, slots: int) -> int:
        """As `Learner`: those of the model and of the adversary, each of a batch."""
        return self.recipe.steps(slots) * (1 + self.attack_steps if self.size else 1)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        if not self.size:
            return Standard(recipe=self.recipe)(model, x, y, member, key)
        objective = partial(self.objective, model, box_of(x))
        return single.train(model, self.recipe, Plain(), objective, x, y, member, key)

    def objective(
        self,
        model: Model,
        box: Box,
        variables: Variables,
        x: Shaped[jax.Array, "batch *feature"],
        y: Int[jax.Array, "batch"],
        weight: Float[jax.Array, "batch"],
        key: PRNGKeyArray,
        epoch: Int[jax.Array, ""],
    ) -> tuple[jax.Array, Any]:
        """The loss of a batch as the adversary has moved it, and the new batch statistics."""
        look_key, forward_key = jax.random.split(key)
        batch = augment(self.recipe, look_key, x)
        fixed = jax.lax.stop_gradient(variables)
        moved = ascend(model, fixed, self.ascent, box, batch, y, jax.random.fold_in(key, 2))
        logits, rest = model.forward(variables, jax.lax.stop_gradient(moved), forward_key)
        return CrossEntropy()(logits, y, weight, epoch, self.recipe.label_smoothing), rest

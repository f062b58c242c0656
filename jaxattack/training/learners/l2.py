"""L2 regularisation against membership (Shokri et al. 2017, arXiv 1610.05820): the loss plus strength |W|^2.

W are the arrays of parameters of two or more axes; biases and scales of norms stay free. The penalty's gradient is
2 strength W, which goes through the optimiser with the loss's own: it is the recipe's ``weight_decay`` of 2 strength, which
is such a term for adam and sgd. AdamW's decay is decoupled from the loss and something else; it is refused.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import ClassVar

from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Model, config


@config
class L2:
    """`Standard` training with a penalty on the squared weights.

    Attributes:
        recipe: how it is trained; its own weight decay is added.
        strength: of the penalty, at least 0; 0 is `Standard`, bit for bit.

    Raises:
        InputError: a value outside its range.
    """

    paper: ClassVar[str] = "Shokri et al. 2017, arXiv 1610.05820"

    recipe: Recipe = field(default_factory=Recipe)
    strength: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 <= self.strength < float("inf"):
            raise InputError(f"strength is {self.strength}: give a coefficient of at least 0.")

    def penalised(self) -> Standard:
        """What it is: `Standard` with a recipe whose decay is the penalty's gradient."""
        return Standard(recipe=replace(self.recipe, weight_decay=self.recipe.weight_decay + 2 * self.strength))

    def check(self, model: Model) -> None:
        """As `Learner`.

        Raises:
            InputError: an optimiser whose weight decay is no term of the loss.
        """
        if self.recipe.optimizer == "adamw":
            raise InputError(
                "optimizer is adamw, whose weight decay is no term of the loss: choose adam or sgd for l2."
            )
        self.penalised().check(model)

    def steps(self, slots: int) -> int:
        """As `Learner`."""
        return self.recipe.steps(slots)

    def notes(self, slots: int) -> dict[str, float]:  # noqa: ARG002
        """Nothing."""
        return {}

    def __call__(self, model, x, y, member, key):
        """As `Learner`."""
        return self.penalised()(model, x, y, member, key)

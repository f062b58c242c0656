"""Words to values: what a command line names becomes the configuration that the audits take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxattack.attacks.naming import named
from jaxattack.training import Recipe
from jaxattack.training.learners import LEARNERS, PARTS
from jaxattack.types import Learner


def learner_from(text: str, recipe: Recipe) -> Learner:
    """A learner by name, as ``relaxloss?alpha=1.0``, with a recipe.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.
    """
    settable: dict[str, Any] = {
        name: getattr(learner, PARTS[name]) if name in PARTS else learner for name, learner in LEARNERS.items()
    }
    part = named(text, settable, "learner", fixed=("recipe", "loss", "gradient"))
    name = text.partition("?")[0]
    if name in PARTS:
        learner: Any = LEARNERS[name]
        return replace(learner, recipe=recipe, **{PARTS[name]: part})
    return replace(part, recipe=recipe)

"""What a learner carries from step to step beside the model, such as means of classes or a second network.

It lies beside the batch statistics in ``rest``, which a step hands to the next without differentiating it, and is taken off
what is deployed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxattack.types import Model, Variables


class Carried(NamedTuple):
    """The ``rest`` of a model that is trained with something beside it.

    Attributes:
        rest: of the model.
        state: what is carried, a pytree of arrays.
    """

    rest: Any
    state: Any


def carrying(model: Model, state: Any) -> Model:
    """A Model whose start carries a state; an objective hands the state on, and `bare` takes it off."""

    def init(key):
        start = model.init(key)
        return start._replace(rest=Carried(start.rest, state))

    return model._replace(init=init)


def bare(variables: Variables) -> Variables:
    """The model's own variables."""
    return variables._replace(rest=variables.rest.rest)

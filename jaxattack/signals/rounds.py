"""What each of several rounds of a federation says of a record, for who keeps the parameters (Nasr, Shokri and Houmansadr 2019).

At every moment that is kept, what was sent and the average that came back, round by round (`jaxattack.models.rounds`): the loss in
nats, then the norm of the gradient in the weights of each layer, both as `jaxattack.signals.gradient` has them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxattack.models.rounds import Rounds, at_moment
from jaxattack.signals.gradient import LayerGradientNorms
from jaxattack.signals.scores import Labels
from jaxattack.types import InputError, Model, Sight, Variables, View, at_least, config


class Moment(NamedTuple):
    """What was shared at one moment, as a view of its own."""

    model: Model
    variables: Variables


@config
class RoundFeatures:
    """The loss and the layers' gradient norms at each moment of the last rounds: ["record value"], moment for moment.

    Attributes:
        rounds: how many, each of two moments, at least 1.

    Raises:
        InputError: no rounds; when it is asked, a model that no federation shared, or one that kept fewer rounds.
    """

    paper = "Nasr et al. 2019, arXiv 1812.00910"
    queries = 1

    rounds: int = 5

    def __post_init__(self) -> None:
        at_least(1, rounds=self.rounds)

    @property
    def sees(self) -> Sight:
        """The weights."""
        return "weights"

    @property
    def name(self) -> str:
        """``round_features_5`` for five rounds."""
        return f"round_features_{self.rounds}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: jax.Array | None) -> jax.Array:
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: a model that no federation shared, or that kept fewer rounds.
        """
        rest = view.variables.rest
        if not isinstance(rest, Rounds):
            raise InputError(
                f"{self.name} reads the parameters of several rounds and the models keep their last alone: train them by the "
                "learner federated."
            )
        available = rest.moment.shape[0] // 2
        if available < self.rounds:
            raise InputError(
                f"{self.name} reads {self.rounds} rounds and the federation keeps {available}: keep as many."
            )

        def at(moment):
            then: Any = Moment(view.model, at_moment(view.variables, moment))
            z = view.model.apply(then.variables, x)
            loss = optax.softmax_cross_entropy_with_integer_labels(z, y)
            return jnp.concatenate([loss[:, None], LayerGradientNorms()(then, x, y, key)], axis=1)

        each = jax.lax.map(at, 2 * (available - self.rounds) + jnp.arange(2 * self.rounds))
        return jnp.moveaxis(each, 0, 1).reshape(len(x), -1)

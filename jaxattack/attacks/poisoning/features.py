"""What the last layer of a network is given: the space in which feature collisions are made."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxattack.models.activations import forward_with_hidden
from jaxattack.types import InputError, Model, Surrogate, Variables


def features(
    model: Model, variables: Variables, x: Float[jax.Array, "record *feature"]
) -> Float[jax.Array, "record unit"]:
    """The input of the last layer, as deployed: records themselves, flat, of a network that has one layer.

    Args:
        model: the network.
        variables: what it learnt.
        x: records as it takes them.
    """
    deployed = model._replace(forward=lambda variables, x, _: (model.apply(variables, x), variables.rest))
    hidden = forward_with_hidden(deployed, variables, x, jax.random.key(0))[2]
    return hidden[-1] if hidden else x.reshape(len(x), -1)


@partial(jax.jit, static_argnames="model")
def features_of_all(
    model: Model, variables: Variables, x: Float[jax.Array, "record *feature"]
) -> Float[jax.Array, "model record unit"]:
    """The features of each of several models, whose variables lead with ``model``."""
    return jax.vmap(lambda one: features(model, one, jnp.asarray(x)))(variables)


def require_surrogate(name: str, surrogate: Surrogate | None) -> Surrogate:
    """The attacker's own models.

    Raises:
        InputError: there are none.
    """
    if surrogate is None:
        raise InputError(f"{name} makes its poison on models of its own: give a surrogate.")
    return surrogate

"""An optimiser of optax by its name and a learning rate."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from jaxattack.types import InputError


def optimizer(name: str, learning_rate: float) -> optax.GradientTransformation:
    """An optax optimiser by name.

    Raises:
        InputError: there is none, it takes more than a learning rate, or its steps need more than gradients (L-BFGS).
    """
    try:
        change = getattr(optax, name)(float(learning_rate))
        point = jax.ShapeDtypeStruct((1,), jnp.float32)
        jax.eval_shape(lambda x: change.update(x, change.init(x), x), point)
    except Exception as error:  # whatever a name of optax that is no optimiser makes of a number
        raise InputError(
            f"optimizer is {name!r}: give one of optax that takes a learning rate and steps by gradients alone, as sgd or adam."
        ) from error
    return change

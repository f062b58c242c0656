"""Steps along a loss that is another one each time, as that of minibatches is, by an optax transformation; traceable.

What is deployed is trained by `jaxattack.training.single`; this is for all the networks that help an attack or a defence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Training(NamedTuple):
    """Parameters on their way.

    Attributes:
        parameters: tree.
        moments: the transformation's state.
        loss: what the steps' losses add up to, weighted.
    """

    parameters: Any
    moments: Any
    loss: Any = 0.0


def train(
    loss: Callable[[Any, Any], jax.Array],
    change: optax.GradientTransformation,
    state: Training,
    steps: int | jax.Array,
    *,
    first: int | jax.Array = 0,
    weight: Callable[[jax.Array], jax.Array | float] = lambda _: 1.0,
) -> Training:
    """Follow a loss that is another one at each step.

    Args:
        loss: parameters and the step's number -> scalar.
        change: makes steps of gradients.
        state: as it is; `Training(parameters, change.init(parameters))` at the start.
        steps: where to end.
        first: the number of the first step.
        weight: the step's number -> what its loss counts.
    """

    def step(number: Any, now: Training) -> Training:
        value, gradient = jax.value_and_grad(loss)(now.parameters, number)
        updates, moments = change.update(gradient, now.moments, now.parameters)
        return Training(optax.apply_updates(now.parameters, updates), moments, now.loss + weight(number) * value)

    return jax.lax.fori_loop(first, steps, step, state._replace(loss=jnp.asarray(state.loss, jnp.float32)))

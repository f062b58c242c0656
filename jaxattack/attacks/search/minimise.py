"""A smooth, convex loss to its optimum: optax's L-BFGS (Nocedal and Wright, algorithm 7.5) as one traceable function.

Steps are halved until the loss falls enough (Armijo): of a convex loss the curvature of a pair is never negative. A zoom
line search finds the same optima in as many evaluations where they are well conditioned, but retraining on a separable table
(mushrooms, 11,800 labels) took it 19 CPU-seconds where halving takes 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

PAIRS = 20
"""Steps, with the changes of the gradient, that a direction is made of."""

GRADIENT = 1e-9
"""The largest entry of the gradient at which a fit is at its optimum."""

HALVINGS = 33
"""A search ends at a step shorter than 1e-10."""


def minimise(
    loss: Callable[[jax.Array], jax.Array], start: Float[jax.Array, "parameter"], passes: int | Int[jax.Array, ""]
) -> Float[jax.Array, "parameter"]:
    """Where a convex, smooth loss is least, or as near as so many evaluations come."""
    halving = optax.scale_by_backtracking_linesearch(
        HALVINGS, decrease_factor=0.5, increase_factor=jnp.inf, store_grad=True
    )
    change: Any = optax.lbfgs(memory_size=PAIRS, linesearch=halving)

    def unfinished(state: Any) -> jax.Array:
        line, evaluations = state[1][-1], state[2]
        return (jnp.abs(line.grad).max() > GRADIENT) & (line.info.decrease_error == 0) & (evaluations < passes)

    def step(state: Any) -> Any:
        x, moments, evaluations = state
        line = moments[-1]
        move, moments = change.update(line.grad, moments, x, value=line.value, grad=line.grad, value_fn=loss)
        return x + move, moments, evaluations + jnp.int32(moments[-1].info.num_linesearch_steps)

    value, gradient = jax.value_and_grad(loss)(start)
    *moments, line = change.init(start)
    line = line._replace(value=value, grad=gradient, info=line.info._replace(decrease_error=0 * value))
    return jax.lax.while_loop(unfinished, step, (start, (*moments, line), jnp.int32(1)))[0]

"""Steps along the sign of the gradient of the loss: once (Goodfellow et al. 2015), or several small ones (Kurakin et al. 2017).

Sizes are shares of each feature's range.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from jaxattack.perturb.box import box_of, free_of, in_blocks
from jaxattack.types import Inputs, Model, Variables


def sign_steps(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    y: Int[np.ndarray, "record"],
    inputs: Inputs,
    *,
    size: float,
    steps: int = 1,
    toward: bool = False,
) -> Float[np.ndarray, "record *feature"]:
    """Records moved up the loss of their labels, each feature by at most a share of its range.

    One step moves every feature with a gradient by all of it; a step of several by enough that they could go there and back.

    Args:
        model: with gradients.
        variables: of the model.
        x: records.
        y: the labels to move away from.
        inputs: the range to stay in; categories stay as they are.
        size: the largest change of a feature, as a share of its range.
        steps: 1 for the fast gradient sign method, more for the iterative one.
        toward: move down the loss instead, to the labels.
    """
    rate = size if steps == 1 else min(size, 2.5 * size / steps)
    if toward:
        rate = -rate

    def block(x, y):
        return _sign_steps(model, steps, variables, x, y, box_of(inputs), size * free_of(inputs), rate)

    return np.where(inputs.categories > 0, x, in_blocks(block, x, y))


def sign_of_gradient(
    model: Model, variables: Variables, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
) -> Float[np.ndarray, "record *feature"]:
    """sign(d ln p_y / dx), which is the sign of the Jacobian's row y: p_y is positive."""
    return in_blocks(lambda x, y: -_loss_sign(model, variables, x, y), x, y)


def _loss(model: Model, variables: Variables, x: jax.Array, y: jax.Array) -> jax.Array:
    log_p = jax.nn.log_softmax(model.apply(variables, x))
    return -jnp.take_along_axis(log_p, y[:, None], axis=1).sum()


@partial(jax.jit, static_argnames="model")
def _loss_sign(model: Model, variables: Variables, x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.sign(jax.grad(_loss, argnums=2)(model, variables, x, y))


@partial(jax.jit, static_argnames=("model", "steps"))
def _sign_steps(model: Model, steps: int, variables: Variables, x, y, box, size, rate) -> jax.Array:
    low, high, span = (part[None] for part in box)
    nearest, farthest = jnp.maximum(low, x - size[None] * span), jnp.minimum(high, x + size[None] * span)

    def step(_, now):
        slope = jax.grad(_loss, argnums=2)(model, variables, now, y)
        return jnp.clip(now + rate * span * jnp.sign(slope), nearest, farthest)

    return jax.lax.fori_loop(0, steps, step, x)

"""DeepFool: the nearest boundary of a model, linearised again and again (Moosavi-Dezfooli et al. 2016)."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.perturb.box import box_of, in_blocks, span_of
from jaxattack.types import Inputs, Model, Variables

OVERSHOOT = 0.02
DEEPFOOL_STEPS = 10


def deepfool(
    model: Model, variables: Variables, x: Float[np.ndarray, "record *feature"], inputs: Inputs
) -> tuple[Float[np.ndarray, "record *feature"], Float[np.ndarray, "record"]]:
    """Each record moved just over the model's nearest boundary, and how far that is, in shares of the ranges (2-norm).

    A record that does not cross within the steps of the search keeps how far it went.
    """
    moved = in_blocks(lambda x, _: _deepfool(model, variables, x, box_of(inputs)), x, np.zeros(len(x), int))
    share = (moved - x) / span_of(inputs)
    return moved, np.sqrt((share.reshape(len(x), -1) ** 2).sum(axis=1))


@partial(jax.jit, static_argnames="model")
def _deepfool(model: Model, variables: Variables, x: jax.Array, box) -> jax.Array:
    low, high, span = (part[None] for part in box)
    own = model.apply(variables, x).argmax(axis=1)

    def logits(share):
        return model.apply(variables, share * span)

    def slopes(share, classes):
        rows = [jax.grad(lambda s, c=c: logits(s)[:, c].sum())(share) for c in range(classes)]
        return jnp.stack(rows, axis=1).reshape(len(share), classes, -1)

    def step(_, share):
        z = logits(share)
        slope = slopes(share, z.shape[1])
        mine = own[:, None]
        gap = z - jnp.take_along_axis(z, mine, axis=1)
        away = slope - jnp.take_along_axis(slope, mine[:, :, None], axis=1)
        norm = jnp.sqrt(jnp.sum(away**2, axis=2))
        distance = jnp.where(jax.nn.one_hot(own, z.shape[1]) > 0, jnp.inf, jnp.abs(gap) / jnp.maximum(norm, 1e-12))
        near = distance.argmin(axis=1)[:, None]
        length = jnp.take_along_axis(jnp.abs(gap) / jnp.maximum(norm**2, 1e-12), near, axis=1)
        move = length * jnp.take_along_axis(away, near[:, :, None], axis=1)[:, 0]
        inside = (z.argmax(axis=1) == own).reshape(-1, *[1] * (x.ndim - 1))
        stepped = share + (1 + OVERSHOOT) * move.reshape(share.shape)
        return jnp.where(inside, jnp.clip(stepped, low / span, high / span), share)

    return jax.lax.fori_loop(0, DEEPFOOL_STEPS, step, x / span) * span

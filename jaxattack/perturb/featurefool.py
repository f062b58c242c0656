"""FeatureFool: the smallest change that makes a model see another record (CloudLeak, Yu et al. 2020)."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from jaxattack.perturb.box import box_of, free_of, in_blocks
from jaxattack.types import Inputs, Model, Variables

FEATUREFOOL_STEPS, FEATUREFOOL_RATE, PULL = 40, 0.005, 1.0


def featurefool(
    model: Model,
    variables: Variables,
    x: Float[np.ndarray, "record *feature"],
    guide: Float[np.ndarray, "record *feature"],
    inputs: Inputs,
) -> Float[np.ndarray, "record *feature"]:
    """Records changed a little so that the model sees them more like their guides than like themselves.

    Minimises |x' - x|^2 + pull max(0, |phi(x') - phi(guide)| - |phi(x') - phi(x)| + margin) inside the ranges, changes in
    shares of the ranges, by projected gradient steps. phi are the model's log confidences, where the paper takes a deep
    layer of a network trained before; the margin is half of |phi(guide) - phi(x)|. Categories stay as they are.
    """

    def block(x, guide):
        return _featurefool(model, variables, x, guide, box_of(inputs), free_of(inputs))

    return np.where(inputs.categories > 0, x, in_blocks(block, x, guide))


@partial(jax.jit, static_argnames="model")
def _featurefool(model: Model, variables: Variables, x: jax.Array, guide: jax.Array, box, free) -> jax.Array:
    low, high, span = (part[None] for part in box)

    def features(share):
        return jax.nn.log_softmax(model.apply(variables, share * span))

    def apart(a, b):
        # The small number keeps the gradient of the norm finite where both are alike.
        return jnp.sqrt(jnp.sum((a - b) ** 2, axis=1) + 1e-12)

    own, other, start = features(x / span), features(guide / span), x / span
    margin = 0.5 * apart(own, other)

    def loss(share):
        now = features(share)
        triplet = jnp.maximum(0.0, apart(now, other) - apart(now, own) + margin)
        return jnp.sum((share - start) ** 2) + PULL * jnp.sum(triplet)

    def step(at, share):
        slope = (jax.grad(loss)(share) * free[None]).reshape(len(share), -1)
        unit = slope / jnp.maximum(jnp.linalg.norm(slope, axis=1, keepdims=True), 1e-12)
        size = FEATUREFOOL_RATE * unit.shape[1] ** 0.5 * (1 - at / FEATUREFOOL_STEPS)
        return jnp.clip(share - size * unit.reshape(share.shape), low / span, high / span)

    return jax.lax.fori_loop(0, FEATUREFOOL_STEPS, step, start) * span

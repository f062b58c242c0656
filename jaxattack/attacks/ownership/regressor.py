"""The regressor of dataset inference: distances of a record -> how sure it was not trained on (Maini et al. 2021).

features - 100 (ReLU) - 1 (tanh), on features of zero mean and deviation 1 over the records that it learns from. It lowers
-mean((2 y - 1) out), y = 0 for records of the training set and 1 for others, by 1,000 steps of the whole batch at rate .1.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

HIDDEN, STEPS, RATE = 100, 1000, 0.1
"""The paper's."""

Regressor = Mapping[str, np.ndarray]
"""The arrays of a regressor: what it puts features on a scale by, and its weights."""


def fit(
    member: Float[np.ndarray, "record feature"], other: Float[np.ndarray, "record feature"], *, seed: int
) -> Regressor:
    """A regressor that has learnt to tell the two apart.

    Args:
        member: features of records that the owner's model was trained on.
        other: features of records that it was not.
        seed: decides where it starts.
    """
    features = np.concatenate([member, other])
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)  # a feature that never varies says nothing, and stays at 0
    sign = np.where(np.arange(len(features)) < len(member), -1.0, 1.0)
    weights = _fit(jnp.asarray((features - mean) / deviation, jnp.float32), jnp.asarray(sign, jnp.float32), seed)
    return {"mean": mean, "deviation": deviation} | {name: np.asarray(part) for name, part in weights.items()}


def outputs(regressor: Regressor, features: Float[np.ndarray, "record feature"]) -> Float[np.ndarray, "record"]:
    """-1 for what looks trained on, to 1."""
    x = (features - regressor["mean"]) / regressor["deviation"]
    hidden = np.maximum(x @ regressor["hidden"] + regressor["hidden_bias"], 0.0)
    return np.tanh(hidden @ regressor["output"] + regressor["output_bias"])


@jax.jit
def _fit(x: jax.Array, sign: jax.Array, seed: int) -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(seed), 4)
    shapes = {
        "hidden": ((x.shape[1], HIDDEN), x.shape[1]),
        "hidden_bias": ((HIDDEN,), x.shape[1]),
        "output": ((HIDDEN,), HIDDEN),
        "output_bias": ((), HIDDEN),
    }
    start = {
        name: jax.random.uniform(key, shape, minval=-(wide**-0.5), maxval=wide**-0.5)
        for key, (name, (shape, wide)) in zip(keys, shapes.items(), strict=True)
    }

    def loss(weights):
        hidden = jax.nn.relu(x @ weights["hidden"] + weights["hidden_bias"][None])
        return -jnp.mean(sign * jnp.tanh(hidden @ weights["output"] + weights["output_bias"]))

    def step(_, weights):
        return jax.tree.map(lambda part, slope: part - RATE * slope, weights, jax.grad(loss)(weights))

    return jax.lax.fori_loop(0, STEPS, step, start)

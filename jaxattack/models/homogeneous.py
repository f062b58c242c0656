"""Networks of two classes that are homogeneous in their parameters: ReLUs, and no biases after the first layer.

Doubling the parameters of L layers multiplies the output by 2^L. Gradient descent leads the weights of such a network to a
point that its training records span (Lyu and Li 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from jaxattack.types import InputError, Model, Variables


def margin(
    params: Any, x: Float[jax.Array, "record *feature"], activation: Callable[[jax.Array], jax.Array]
) -> Float[jax.Array, "record"]:
    """Phi, above 0 for class 1.

    Args:
        params: of `homogeneous`.
        x: records.
        activation: `jax.nn.relu`, or smoothed.
    """
    x = x.reshape(len(x), -1)
    first, *later, last = params["kernels"]
    x = activation(x @ first + params["bias"])
    for kernel in later:
        x = activation(x @ kernel)
    return (x @ last)[:, 0]


@cache
def homogeneous(sizes: tuple[int, ...], scale: float = 0.3) -> Model:
    """A network that the attack can read: ReLUs, a bias in the first layer alone, logits -Phi / 2 and Phi / 2.

    Args:
        sizes: features, then hidden units; at least one hidden layer.
        scale: of the start, relative to He's. Small starts lead to weights that show the records; too small ones also hide
            them: of 20 centred digits (64-200-1, 5,000 and 8,000 steps, parity) KKT shows 5 from .3 and 1 from .01.

    Raises:
        InputError: no hidden layer, or sizes below 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise InputError(f"sizes is {sizes}: give the features and at least one hidden layer, as in (64, 200).")

    def init(key: jax.Array) -> Variables:
        keys = jax.random.split(key, len(sizes))
        pairs = pairwise((*sizes, 1))
        kernels = [jax.random.normal(one, pair) * (2 / pair[0]) ** 0.5 for one, pair in zip(keys, pairs, strict=True)]
        return Variables({"bias": jnp.zeros((1, sizes[1])), "kernels": [kernel * scale for kernel in kernels]}, {})

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        phi = margin(variables.params, x, jax.nn.relu)
        return jnp.stack([-phi / 2, phi / 2], axis=1)

    return Model(init, apply, lambda variables, x, _: (apply(variables, x), variables.rest))

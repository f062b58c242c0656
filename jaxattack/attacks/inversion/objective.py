"""What a class inversion lessens: how little the victim thinks of a record as the target, and what is unlikely of it.

Of logits z, the target t and p = softmax(z):

    confidence       1 - p_t                                    Fredrikson et al. 2015, algorithm 1
    cross-entropy    -ln p_t                                    Zhang et al. 2020 (GMI)
    margin           max of z_j for j other than t, less z_t    Yuan et al. 2023
    poincare         arccosh(1 + 2 |u - v|^2 / ((1 - |u|^2) (1 - |v|^2))), u = z / |z|_1, v the target's corner drawn in by
                     0.9999                                     Struppek et al. 2022 (PPA)

Priors, of pictures in the unit box: `total_variation`, the mean over pixels of the two differences' Euclidean length;
`energy`, the mean square distance from the middle of the box. Of a victim with batch norm: `statistics`, the mean
squared distance between the statistics of a batch and those that were learnt (Yin et al. 2020), read from how far a
training-mode pass would move them, so that it needs to know nothing of the architecture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxattack.types import InputError, Model, Variables, WhiteBox

Objective = Literal["confidence", "cross-entropy", "margin", "poincare"]
OBJECTIVES = get_args(Objective)

_DRAWN_IN, _LEAST = 0.9999, 1e-6


def confidence(logit: Float[jax.Array, "point cls"], target: Int[jax.Array, "point"]) -> Float[jax.Array, "point"]:
    """1 - p_t."""
    return 1.0 - _of(jax.nn.softmax(logit), target)


def cross_entropy(logit: Float[jax.Array, "point cls"], target: Int[jax.Array, "point"]) -> Float[jax.Array, "point"]:
    """-ln p_t."""
    return -_of(jax.nn.log_softmax(logit), target)


def margin(logit: Float[jax.Array, "point cls"], target: Int[jax.Array, "point"]) -> Float[jax.Array, "point"]:
    """How far the target's logit is below the largest other; negative where it is the largest."""
    others = jnp.where(jax.nn.one_hot(target, logit.shape[1], dtype=bool), -jnp.inf, logit)
    return others.max(axis=1) - _of(logit, target)


def poincare(logit: Float[jax.Array, "point cls"], target: Int[jax.Array, "point"]) -> Float[jax.Array, "point"]:
    """The distance in the Poincare ball between the logits and the target's corner."""
    u = logit / jnp.abs(logit).sum(axis=1, keepdims=True).clip(_LEAST)
    v = _DRAWN_IN * jax.nn.one_hot(target, logit.shape[1], dtype=logit.dtype)
    room = (1 - (u**2).sum(axis=1)).clip(_LEAST) * (1 - (v**2).sum(axis=1))
    return jnp.arccosh(1 + 2 * ((u - v) ** 2).sum(axis=1) / room)


def _of(values: jax.Array, target: jax.Array) -> jax.Array:
    return jnp.take_along_axis(values, target[:, None], axis=1)[:, 0]


_FORMULAS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "confidence": confidence,
    "cross-entropy": cross_entropy,
    "margin": margin,
    "poincare": poincare,
}


def objective(name: Objective) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """An objective by name: (logits["point cls"], target["point"]) -> cost["point"]."""
    return _FORMULAS[name]


def total_variation(x: Float[jax.Array, "point height width *channel"]) -> Float[jax.Array, "point"]:
    """How rough a picture is."""
    down, right = jnp.diff(x[:, :, :-1], axis=1), jnp.diff(x[:, :-1], axis=2)
    # The square root has no derivative at 0, where every flat picture starts.
    return jnp.sqrt(down**2 + right**2 + 1e-8).reshape(len(x), -1).mean(axis=1)


def energy(x: Float[jax.Array, "point *feature"]) -> Float[jax.Array, "point"]:
    """How far a record is from the middle of the box."""
    return ((x - 0.5) ** 2).reshape(len(x), -1).mean(axis=1)


def statistics(model: Model, variables: Variables, x: Float[jax.Array, "point *feature"]) -> Float[jax.Array, ""]:
    """How far the batch statistics of records are from those that the victim learnt; 0 for one without any.

    Args:
        model: takes ``x``.
        variables: what it learnt.
        x: records of one target, at least 2.
    """
    _, rest = model.forward(variables, x, jax.random.key(0))
    leaves = [
        ((after - before) ** 2).mean()
        for after, before in zip(jax.tree.leaves(rest), jax.tree.leaves(variables.rest), strict=True)
        if jnp.issubdtype(before.dtype, jnp.floating)
    ]
    return jnp.stack(leaves).mean() if leaves else jnp.float32(0)


def check_statistics(victim: WhiteBox) -> None:
    """Refuse a victim whose batch statistics cannot guide a search.

    Raises:
        InputError: it has none, or they give no gradient, as those of Flax's own batch norm, which stops it.
    """
    x = jax.random.uniform(jax.random.key(0), (2, *victim.inputs.shape))
    gradient = jax.jit(jax.grad(lambda x: statistics(victim.model, victim.variables, x)))(x)
    if not jnp.any(gradient):
        raise InputError(
            "statistics is on and the victim has no batch statistics that give a gradient: set it to 0, or build the "
            "victim with jaxattack.models.layers.batch_norm (Flax's own stops the gradient)."
        )

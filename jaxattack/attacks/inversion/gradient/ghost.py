"""Inner products of a gradient without the gradient: the ghost norm (Goodfellow 2015; Li et al. 2022, section 4).

The gradient of a dense layer's kernel is A^T D, where A ["record feature"] is what goes into the layer and D ["record unit"]
the derivative of the loss by what comes out. Of a batch that has fewer records than the layer has features it takes less
arithmetic, and above all less memory, never to form it:

    <A^T D, G> = sum of D * (A G)          |A^T D|^2 = sum of (A A^T) * (D D^T)

A kernel is found in the traced model where it is the right side of one product of matrices, is used nowhere else and holds
most of the parameters. Every other parameter, and the kernel of a layer narrower than the batch, is differentiated as usual:
its distance is taken of differences, which keep the digits that inner products round away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.extend.core import ClosedJaxpr, Literal
from jaxtyping import Float

from jaxattack.attacks.inversion.gradient.matching import direction_distance, dot, half_squared, length, root
from jaxattack.types import Model, Variables


def cosine(
    model: Model,
    variables: Variables,
    x: Float[jax.Array, "record *feature"],
    target: Float[jax.Array, "record cls"],
    sent: Any,
) -> Float[jax.Array, ""]:
    """`matching.cosine` of the gradient of the mean cross-entropy and what was sent.

    Args:
        model: whose parameters are differentiated.
        variables: where.
        x: the batch.
        target: distributions.
        sent: shaped as the parameters.
    """
    leaves, tree = jax.tree.flatten(variables.params)

    def logits(leaves: Sequence[jax.Array], x: jax.Array) -> jax.Array:
        return model.apply(Variables(jax.tree.unflatten(tree, leaves), variables.rest), x)

    traced = jax.make_jaxpr(logits)(leaves, x)
    dense = _dense(traced, len(leaves), len(x))
    others = [number for number in range(len(leaves)) if number not in dense.values()]

    def loss(some: list[jax.Array], bumps: dict[int, jax.Array]) -> tuple[jax.Array, dict[int, jax.Array]]:
        params = list(leaves)
        for number, leaf in zip(others, some, strict=True):
            params[number] = leaf
        out, entering = _run(traced, [*params, x], bumps)
        return -jnp.mean(jnp.sum(target * jax.nn.log_softmax(out), axis=-1)), entering

    bumps = {place: jnp.zeros(traced.jaxpr.eqns[place].outvars[0].aval.shape, x.dtype) for place in dense}
    (plain, leaving), entering = jax.grad(loss, argnums=(0, 1), has_aux=True)([leaves[n] for n in others], bumps)
    targets = jax.tree.leaves(sent)
    factors = [(entering[place], leaving[place], targets[number]) for place, number in dense.items()]
    own = [jnp.vdot(a @ a.T, d @ d.T) for a, d, _ in factors]
    norm, sent_norm = root(sum(own, dot(plain, plain))), length(sent)
    half = half_squared(plain, norm, [targets[number] for number in others], sent_norm)
    for (a, d, kernel), square in zip(factors, own, strict=True):
        inner = jnp.vdot(d, a @ kernel) / (norm * sent_norm)
        half += (square / norm**2 + jnp.vdot(kernel, kernel) / sent_norm**2) / 2 - inner
    return direction_distance(norm, half)


def _dense(traced: ClosedJaxpr, parameters: int, records: int) -> dict[int, int]:
    """Where the kernel of a wide dense layer that holds most parameters is used, and its number among them."""
    most = sum(var.aval.size for var in traced.jaxpr.invars[:parameters]) / 2
    numbers = {var: number for number, var in enumerate(traced.jaxpr.invars[:parameters])}
    read = [var for eqn in traced.jaxpr.eqns for var in eqn.invars if not isinstance(var, Literal)]
    kernels = {}
    for place, eqn in enumerate(traced.jaxpr.eqns):
        if eqn.primitive.name != "dot_general" or isinstance(eqn.invars[1], Literal):
            continue
        left, right = eqn.invars
        plain = eqn.params["dimension_numbers"] == (((1,), (0,)), ((), ())) and left.aval.ndim == right.aval.ndim == 2
        if (
            plain
            and right in numbers
            and read.count(right) == 1
            and left.aval.shape[0] == records < right.aval.shape[0]
            and right.aval.size > most
        ):
            kernels[place] = numbers[right]
    return kernels


def _run(traced: ClosedJaxpr, arguments: list[Any], bumps: dict[int, jax.Array]) -> tuple[Any, dict[int, jax.Array]]:
    """The traced model's output where bumps are added to what some of its products give, and what went into those."""
    jaxpr = traced.jaxpr
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*traced.consts, *arguments], strict=True))
    entering = {}
    for place, eqn in enumerate(jaxpr.eqns):
        if place in bumps:
            entering[place], kernel = (values[var] for var in eqn.invars)
            values[eqn.outvars[0]] = entering[place] @ kernel + bumps[place]
            continue
        inputs = list(dict.fromkeys(var for var in eqn.invars if not isinstance(var, Literal)))
        alone = jaxpr.replace(constvars=[], invars=inputs, outvars=eqn.outvars, eqns=[eqn], effects=set())
        values |= zip(eqn.outvars, eval_jaxpr(alone, (), *(values[var] for var in inputs)), strict=True)
    return values[jaxpr.outvars[0]], entering

"""What a network's dense layers are given by the layers before them, and which is the last, whoever wrote it: read off its trace.

A hidden activation is the operand ["record unit"] of a product with a matrix of parameters, where earlier parameters have
made it what it is. So a multilayer perceptron has one for each hidden layer, after activation and dropout, and a
convolutional network the one that its last layer is given: how feature maps come about depends on how convolutions are
computed (`jaxattack.models.conv`). Layers inside a function that was compiled by itself are not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
from jax.extend.core import Literal, jaxpr_as_fun
from jaxtyping import Float, PRNGKeyArray

from jaxattack.types import InputError, Model, Variables

Activation = Float[jax.Array, "batch unit"]


def forward_with_hidden(
    model: Model, variables: Variables, x: Float[jax.Array, "batch *feature"], key: PRNGKeyArray
) -> tuple[Float[jax.Array, "batch cls"], Any, tuple[Activation, ...]]:
    """A training pass, as `jaxattack.types.Model.forward`, and the hidden activations in the order of the layers.

    Args:
        model: the network.
        variables: what it has learnt.
        x: the records of a batch.
        key: of dropout.
    """
    leaves, tree = jax.tree.flatten(variables.params)

    def forward(leaves, x):
        return model.forward(variables._replace(params=jax.tree.unflatten(tree, leaves)), x, key)

    closed, shape = jax.make_jaxpr(forward, return_shape=True)(leaves, x)
    jaxpr = closed.jaxpr
    hidden = tuple(dict.fromkeys(_hidden(jaxpr, len(leaves))))
    names = jaxpr.debug_info._replace(result_paths=None)
    longer = closed.replace(jaxpr=jaxpr.replace(outvars=[*jaxpr.outvars, *hidden], debug_info=names))
    values = jaxpr_as_fun(longer)(*leaves, x)
    count = len(jaxpr.outvars)
    logits, rest = jax.tree.unflatten(jax.tree.structure(shape), values[:count])
    return logits, rest, tuple(values[count:])


def product(equation: Any) -> Any:
    """The product of its two operands that an equation of a trace is, as one of `jax.lax.dot_general`; None of any other.

    A function that brings its own gradient counts where such a product is all that it does.
    """
    if equation.primitive.name == "custom_vjp_call":
        inner = equation.params["call_jaxpr"].jaxpr
        alone = len(inner.eqns) == 1 and inner.eqns[0].invars == inner.invars
        return product(inner.eqns[0]) if alone else None
    return equation if equation.primitive.name == "dot_general" else None


def _hidden(jaxpr: Any, leaves: int) -> Iterator[Any]:
    """The variables that are hidden activations, in the order in which layers read them."""
    learnt = {*jaxpr.invars[:leaves]}
    matrices = {leaf for leaf in jaxpr.invars[:leaves] if leaf.aval.ndim == 2}
    for equation in jaxpr.eqns:
        operands = [each for each in equation.invars if not isinstance(each, Literal)]
        if not learnt.intersection(operands):
            continue
        learnt.update(equation.outvars)
        if equation.primitive.name == "convert_element_type" and operands[0] in matrices:
            matrices.update(equation.outvars)
        elif product(equation) is not None and operands[1] in matrices and operands[0] in learnt:
            yield operands[0]


def last_layer(model: Model, variables: Variables, x: Float[jax.Array, "record *feature"]) -> Any:
    """Which parameters belong to the layer that makes the logits: those beside the last matrix that something is multiplied by.

    Args:
        model: the network, as deployed.
        variables: what it has learnt.
        x: some records, for their shape.

    Returns:
        A pytree as the parameters, of True and False.

    Raises:
        InputError: nothing is multiplied by a matrix of parameters.
    """
    paths, tree = jax.tree_util.tree_flatten_with_path(variables.params)

    def logits(leaves, x):
        return model.apply(variables._replace(params=jax.tree.unflatten(tree, leaves)), x)

    jaxpr = jax.make_jaxpr(logits)([leaf for _, leaf in paths], x).jaxpr
    place = {leaf: number for number, leaf in enumerate(jaxpr.invars[: len(paths)]) if leaf.aval.ndim == 2}
    last = None
    for equation in jaxpr.eqns:
        operands = [each for each in equation.invars if not isinstance(each, Literal)]
        if equation.primitive.name == "convert_element_type" and operands and operands[0] in place:
            place[equation.outvars[0]] = place[operands[0]]
        elif product(equation) is not None and len(operands) > 1 and operands[1] in place:
            last = paths[place[operands[1]]][0]
    if last is None:
        raise InputError(
            "the network multiplies by no matrix of parameters: its last layer cannot be told from the others."
        )
    return jax.tree.unflatten(tree, [path[:-1] == last[:-1] for path, _ in paths])

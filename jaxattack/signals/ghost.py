"""Norms of per-record gradients without the gradients (Goodfellow 2015, arXiv 1510.01799, section 2; "ghost norms").

A dense layer s = h W + b gives a record the gradients h d^T and d, where d = d loss / d s. Their norms are |h| |d| and |d|:
one backward pass of all records at once gives every d, and no record's gradient is formed. Such layers are read off the
trace of the network, whoever wrote it: a product of ["record in"] with an array of parameters that is used nowhere else, and
an array of parameters that is added to every record alike. What is neither (convolutions, norms, tied weights) is left out
here, and formed record by record by `jaxattack.signals.gradient`.

A deployed network answers each record by itself, so that the gradient of the sum of losses has each record's in its row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Literal
from jaxtyping import Float

from jaxattack.models.activations import product
from jaxattack.types import Model, Variables


class Trace(NamedTuple):
    """What a network does to a batch, and where dense layers are in it.

    Attributes:
        jaxpr: of (leaves of the parameters..., x) -> logits.
        kernels: place of a leaf -> the equation that multiplies by it.
        biases: place of a leaf -> the equation that adds it.
    """

    jaxpr: Any
    kernels: Mapping[int, Any]
    biases: Mapping[int, Any]

    @property
    def leaves(self) -> set[int]:
        """Places of the parameters whose norms are known."""
        return {*self.kernels, *self.biases}


def trace(model: Model, variables: Variables, x: Float[jax.Array, "record *feature"]) -> Trace:
    """Trace a network on a batch and read off its dense layers."""
    leaves, tree = jax.tree.flatten(variables.params)

    def logits(*arguments):
        return model.apply(variables._replace(params=jax.tree.unflatten(tree, arguments[:-1])), arguments[-1])

    jaxpr = jax.make_jaxpr(logits)(*leaves, x)
    uses = _uses(jaxpr.jaxpr)
    kernels, biases = {}, {}
    for place, leaf in enumerate(jaxpr.jaxpr.invars[:-1]):
        if product := _product(leaf, uses, len(x)):
            kernels[place] = product
        elif addition := _addition(leaf, uses, len(x)):
            biases[place] = addition
    return Trace(jaxpr, kernels, biases)


def squared_norms(
    traced: Trace,
    variables: Variables,
    x: Float[jax.Array, "record *feature"],
    losses: Callable[[jax.Array], Float[jax.Array, "record"]],
) -> dict[int, Float[jax.Array, "record"]]:
    """Place of a leaf -> the squared norm of each record's gradient in it, for the leaves of dense layers.

    Args:
        traced: the network, as `trace` gives it for as many records.
        variables: what it learnt.
        x: the records.
        losses: logits -> the loss of each record.
    """
    layers = (*traced.kernels.values(), *traced.biases.values())
    outputs = tuple(dict.fromkeys(layer.outvars[0] for layer in layers))
    inputs = tuple(dict.fromkeys(layer.invars[0] for layer in traced.kernels.values()))
    arguments = (*jax.tree.leaves(variables.params), x)

    def total(shifts):
        logits, values = _evaluate(traced.jaxpr, arguments, dict(zip(outputs, shifts, strict=True)), inputs)
        return jnp.sum(losses(logits)), values

    shifts = tuple(jnp.zeros(output.aval.shape, output.aval.dtype) for output in outputs)
    slopes, values = jax.grad(total, has_aux=True)(shifts)
    back = {output: _squares(slope) for output, slope in zip(outputs, slopes, strict=True)}
    ahead = {value: _squares(h) for value, h in zip(inputs, values, strict=True)}
    norms = {place: ahead[layer.invars[0]] * back[layer.outvars[0]] for place, layer in traced.kernels.items()}
    return norms | {place: back[layer.outvars[0]] for place, layer in traced.biases.items()}


def _squares(values: Float[jax.Array, "record unit"]) -> Float[jax.Array, "record"]:
    return jnp.sum(values**2, axis=1)


def _uses(jaxpr: Any) -> dict[Any, list[Any]]:
    """Variable -> the equations that read it, once for each time; being an answer is a use too."""
    uses: dict[Any, list[Any]] = {}
    for equation in jaxpr.eqns:
        for variable in equation.invars:
            if not isinstance(variable, Literal):
                uses.setdefault(variable, []).append(equation)
    for variable in jaxpr.outvars:
        if not isinstance(variable, Literal):
            uses.setdefault(variable, []).append(None)
    return uses


def _only_use(variable: Any, uses: Mapping[Any, list[Any]], primitives: tuple[str, ...]) -> Any:
    """The one equation that reads a variable, where it is of such a primitive; else None."""
    readers = uses.get(variable, [])
    only = readers[0] if len(readers) == 1 else None
    return only if only is not None and only.primitive.name in primitives else None


def _product(leaf: Any, uses: Mapping[Any, list[Any]], records: int) -> Any:
    """The equation of ["record in"] times a leaf of ["in out"], or None."""
    layer = _only_use(leaf, uses, ("dot_general", "custom_vjp_call"))
    if layer is None or layer.invars[1] is not leaf or layer.invars[0].aval.shape[:1] != (records,):
        return None
    inner = product(layer)
    plain = inner is not None and inner.params["dimension_numbers"] == (((1,), (0,)), ((), ()))
    return layer if plain and layer.invars[0].aval.ndim == 2 == leaf.aval.ndim else None


def _addition(leaf: Any, uses: Mapping[Any, list[Any]], records: int) -> Any:
    """The equation that adds a leaf of ["out"], as [1, out], to ["record out"], or None."""
    spread = _only_use(leaf, uses, ("reshape", "broadcast_in_dim"))
    if leaf.aval.ndim != 1 or spread is None or spread.outvars[0].aval.shape != (1, *leaf.aval.shape):
        return None
    layer = _only_use(spread.outvars[0], uses, ("add",))
    return layer if layer is not None and layer.outvars[0].aval.shape == (records, *leaf.aval.shape) else None


def _evaluate(
    closed: Any, arguments: tuple[jax.Array, ...], shifts: Mapping[Any, jax.Array], variables: tuple[Any, ...]
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """What a trace computes, some of its variables shifted; and the values of others on the way."""
    jaxpr = closed.jaxpr
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*closed.consts, *arguments), strict=True))

    def read(variable):
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in jaxpr.eqns:
        settings = equation.primitive.get_bind_params(equation.params)
        outputs = equation.primitive.bind(*map(read, equation.invars), **settings)
        for variable, value in zip(
            equation.outvars, outputs if equation.primitive.multiple_results else [outputs], strict=True
        ):
            values[variable] = value + shifts[variable] if variable in shifts else value
    return read(jaxpr.outvars[0]), tuple(read(variable) for variable in variables)

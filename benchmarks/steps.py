"""One training step of one model as one would write it, its FLOPs and its bytes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from kinds import Kind

from jaxattack import Dataset
from jaxattack.models import build, in_precision
from jaxattack.models.conv import using
from jaxattack.training.learners import Standard
from jaxattack.training.recipe import optimizer
from jaxattack.types import Variables


def products(jaxpr: Any) -> Iterator[tuple[float, float]]:
    """FLOPs and bytes of each product and convolution of a jaxpr, those within called functions and scans too."""
    for equation in jaxpr.eqns:
        times = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
        inside = (getattr(value, "jaxpr", value) for value in equation.params.values())
        for inner in (value for value in inside if hasattr(value, "eqns")):
            yield from ((times * flops, times * moved) for flops, moved in products(inner))
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            arrays = [*(variable.aval for variable in equation.invars), equation.outvars[0].aval]
            yield multiply_adds(equation, *arrays) * 2.0, float(sum(each.size * each.dtype.itemsize for each in arrays))


def multiply_adds(equation: Any, left: Any, right: Any, out: Any) -> float:
    """How many a product or a convolution takes."""
    if equation.primitive.name == "dot_general":
        contracted = equation.params["dimension_numbers"][0][0]
        return out.size * math.prod(left.shape[axis] for axis in contracted)
    outputs = right.shape[equation.params["dimension_numbers"].rhs_spec[0]]
    # A dilated input is mostly zeros, which need not be multiplied.
    return out.size * right.size / outputs / math.prod(equation.params["lhs_dilation"])


class Step:
    """One training step of one model as one would write it, and what it costs."""

    def __init__(self, kind: Kind, dataset: Dataset, precision: str):
        self.recipe = replace(kind.recipe, precision=precision)
        self.model = in_precision(build(kind.model, kind.shape, kind.classes), self.recipe.precision)
        self.change = optimizer(self.recipe, kind.steps)
        self.x, self.y = jnp.asarray(dataset.x), jnp.asarray(dataset.y, jnp.int32)
        self.records = len(dataset)

    def __call__(self, variables, state, x, y, index, key):
        learner = Standard(recipe=self.recipe)

        def loss(params):
            drawn = x[index], y[index], jnp.ones(len(index))
            return learner.objective(self.model, Variables(params, variables.rest), *drawn, key, jnp.int32(0))

        gradient, rest = jax.grad(loss, has_aux=True)(variables.params)
        updates, state = self.change.update(gradient, state, variables.params)
        return Variables(optax.apply_updates(variables.params, updates), rest), state

    def start(self):
        variables = jax.jit(self.model.init)(jax.random.key(0))
        return variables, self.change.init(variables.params)

    def cost(self) -> tuple[dict[str, float], Callable[..., Any], float]:
        """FLOPs and bytes of a step, counted and XLA's; the compiled step; and what compiling took."""
        index = jnp.arange(self.recipe.batch)
        arguments = (*self.start(), self.x, self.y, index, jax.random.key(1))
        with using("lax"):
            each = list(products(jax.make_jaxpr(self)(*arguments).jaxpr))
            begin = time.perf_counter()
            compiled = jax.jit(self.__call__).lower(*arguments).compile()
            compiling = time.perf_counter() - begin
        kept = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(arguments[:2]))
        analysis: Any = compiled.cost_analysis() or {}
        flops, moved = (float(sum(values)) for values in zip(*each, strict=True))
        return (
            {
                "flops": flops,
                "bytes": moved + 2.0 * kept,
                "xla_flops": float(analysis.get("flops", 0.0)),
                "xla_bytes": float(analysis.get("bytes accessed", 0.0)),
                "parameters": sum(leaf.size for leaf in jax.tree.leaves(arguments[0].params)),
            },
            compiled,
            compiling,
        )

    def loop(self, compiled: Callable[..., Any], steps: int) -> Any:
        """So many steps, each a call."""
        (variables, state), key = self.start(), jax.random.key(1)
        random = np.random.default_rng(0)
        for number in range(steps):
            index = random.integers(0, self.records, self.recipe.batch).astype(np.int32)
            variables, state = compiled(variables, state, self.x, self.y, index, jax.random.fold_in(key, number))
        return variables

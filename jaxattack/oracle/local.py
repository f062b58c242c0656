"""Victims in this process: trained Flax models, and any Python function.

    from_model(model, variables, inputs=..., classes=10)     a network, at a stated precision
    from_model(module, inputs=..., classes=10)               a Flax NNX module that is trained already
    from_function(function, access)                          anything that answers a batch

A network's batches are padded to powers of two, so that few sizes are compiled, and chopped where they are long, so
that activations stay small beside memory. Neither changes an answer beyond rounding.

Precision. ``float64`` computes in float64 whatever the weights were trained in; ``float32`` in full float32, on a GPU
too (no TF32); ``bfloat16`` casts weights and queries to bfloat16, computes in it, and answers in float32. The softmax
is taken in what is answered: float64 or float32.

Pictures. A network trained on pictures has seen bytes 0..255 as floats -1..1 (`jaxattack.training.images.as_input`).
With ``images=True`` the service takes pictures as a data set has them, 0..255 and fractions between, and scales them
itself; its documented inputs must then reach from 0 to 255. Without, it takes what the network takes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float
from scipy.special import softmax

from jaxattack.models import from_module
from jaxattack.oracle.identity import of_network
from jaxattack.oracle.ledger import PRICE, CountingOracle, Tell
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, Level, Model, OracleError, Precision, Variables

NUMBERS = 1 << 21
"""Numbers that a batch may hold, of its queries or its answers: long enough for matrix products at full speed."""


def from_model(
    model: Model | nnx.Module,
    variables: Variables | None = None,
    *,
    inputs: Inputs,
    classes: int,
    level: Level = "probability",
    precision: Precision = "float32",
    images: bool = False,
    bias: float = 0.0,
    batch: int | None = None,
    price: float = PRICE,
) -> CountingOracle:
    """A trained model as a victim.

    Args:
        model: the architecture; or a Flax NNX module, with what it has learnt.
        variables: what it learnt; a module is given alone.
        inputs: the records that the service takes.
        classes: how many outputs the model has; 1 for a regressor, which answers logits.
        level: how much it answers.
        precision: the arithmetic of the model.
        images: records are pictures of 0..255, which the service scales to -1..1.
        bias: the largest bias that a caller may add to a logit; 0 for none.
        batch: the most queries computed at once; by default as many as hold `NUMBERS` numbers.
        price: of a query, in dollars.

    Raises:
        InputError: a model without variables or a module with some, a model that does not take such records or has other classes, pictures whose documented range is
            not 0 to 255, or a value out of range.
    """
    model, variables = _network(model, variables)
    access = Access(level=level, classes=classes, inputs=inputs, precision=precision, bias=bias)
    if images and not ((inputs.low == 0).all() and (inputs.high == 255).all()):
        raise InputError("the inputs of pictures do not range from 0 to 255: give Inputs.box(0, 255, shape).")
    if batch is None:
        batch = sensible(inputs.shape, classes)
    if batch < 1:
        raise InputError(f"batch is {batch}: give at least 1.")
    with jax.enable_x64(precision == "float64"):
        cast = jax.tree.map(partial(_cast, precision=precision), variables)
        _expect(model, cast, inputs.shape, classes, precision)

    def ask(x: np.ndarray, bias: Bias | None) -> Answer:
        parts = [_run(model, cast, x[at : at + batch], batch, images, precision) for at in range(0, len(x), batch)]
        return answer_from_logits(np.concatenate(parts), level, bias)

    return CountingOracle(ask, access, price, partial(of_network, model, variables, inputs.shape, images=images))


def _network(model: Any, variables: Variables | None) -> tuple[Model, Variables]:
    if isinstance(model, nnx.Module) and variables is None:
        return from_module(model)
    if isinstance(model, Model) and variables is not None:
        return model, variables
    what = f"a {type(model).__name__} " + ("without variables" if variables is None else "with variables")
    raise InputError(f"model is {what}: give a Flax NNX module alone, or a jaxattack Model and its variables.")


def from_function(
    function: Callable[..., Any],
    access: Access,
    *,
    price: float = PRICE,
    content: Tell | None = None,
) -> CountingOracle:
    """Any function as a victim.

    Args:
        function: x["query *feature"] -> Answer, or the array that the level names: labels ["query"], or probabilities
            or logits ["query cls"], labels being their argmax. It is called as ``function(x, bias)`` where the terms
            allow a bias, and bias may be None. It keeps to the terms (top, decimals) itself.
        access: the terms.
        price: of a query, in dollars.
        content: what tells it from other victims, as {"version": "2024-05"}; called once, where somebody keeps answers.

    Raises:
        InputError: a price below 0, or a regressor that is to answer with classes.
    """

    def ask(x: np.ndarray, bias: Bias | None) -> Answer:
        reply = function(x, bias) if access.bias else function(x)
        return let_through(reply, access.level) if isinstance(reply, Answer) else _as_answer(reply, len(x), access)

    return CountingOracle(ask, access, price, content)


def let_through(answer: Answer, level: Level) -> Answer:
    """What a level lets through of an answer: probability lets labels through too, logit everything."""
    probability = answer.probability if level != "label" else None
    logit = answer.logit if level == "logit" else None
    return Answer(
        np.asarray(answer.label),
        None if probability is None else np.asarray(probability),
        None if logit is None else np.asarray(logit),
    )


def answer_from_logits(logit: Float[np.ndarray, "query cls"], level: Level, bias: Bias | None = None) -> Answer:
    """What a level lets through of logits; the label is their argmax.

    Args:
        logit: of a batch.
        level: label, probability or logit.
        bias: added first; of a class that a query names twice, the last counts.

    Raises:
        OracleError: a label is due of NaN, which no number is above.
    """
    if bias is not None:
        rows = np.arange(len(logit))[:, np.newaxis]
        raised = logit.copy()
        raised[rows, bias.token] = logit[rows, bias.token] + bias.value
        logit = raised
    # Where scores are withheld nobody else sees it.
    if level == "label" and (nan := int(np.isnan(logit).any(axis=1).sum())):
        raise OracleError(
            f"the model computes NaN for {nan} of {len(logit)} queries, and no class is the highest of that: mend the model."
        )
    label = logit.argmax(1).astype(np.int64)
    probability = softmax(logit, axis=1) if level == "probability" else None
    return Answer(label, probability, logit if level == "logit" else None)


def sensible(shape: tuple[int, ...], classes: int) -> int:
    """Queries at once: the power of two up to 8,192 with which a batch holds at most `NUMBERS` numbers."""
    return min(8192, 1 << (max(NUMBERS // max(prod(shape), classes), 1).bit_length() - 1))


def pad(x: np.ndarray, size: int) -> np.ndarray:
    """The batch with its last record repeated up to a size."""
    return x[np.arange(size).clip(max=len(x) - 1)] if size > len(x) else x


def _as_answer(reply: Any, queries: int, access: Access) -> Answer:
    array = np.asarray(reply)
    if access.level == "label":
        return Answer(array)
    if access.classes == 1 and array.ndim == 1:
        array = array[:, np.newaxis]
    if array.shape != (queries, access.classes):
        raise OracleError(
            f"the victim answered {queries} queries with an array of shape {array.shape}: "
            f"it must give ({queries}, {access.classes})."
        )
    label = array.argmax(1).astype(np.int64)
    return Answer(label, array, None) if access.level == "probability" else Answer(label, None, array)


def _cast(leaf: Any, precision: Precision) -> jax.Array:
    leaf = jnp.asarray(leaf)
    return leaf.astype(jnp.dtype(precision)) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def _expect(model: Model, variables: Variables, shape: tuple[int, ...], classes: int, precision: Precision) -> None:
    try:
        output = jax.eval_shape(model.apply, variables, jax.ShapeDtypeStruct((1, *shape), jnp.dtype(precision)))
    except Exception as error:  # a model is the caller's code: what it raises at records of another shape is its own
        reason = str(error).partition("\n")[0]
        raise InputError(f"the model does not take records of shape {shape} ({reason}): give its inputs.") from error
    if output.shape != (1, classes):
        raise InputError(f"the model answers a record with shape {output.shape[1:]} and classes is {classes}: mend it.")
    # The sums of a last layer may be wider than what they are of.
    wide = output.dtype == jnp.float32 and jnp.dtype(precision) in _multiplied(
        jax.make_jaxpr(model.apply)(variables, jnp.zeros((1, *shape), jnp.dtype(precision))).jaxpr
    )
    if output.dtype != jnp.dtype(precision) and not wide:
        raise InputError(f"precision is {precision!r} and the model computes in {output.dtype} whatever it is given.")


def _multiplied(jaxpr: Any) -> set[Any]:
    """The types that a traced model multiplies, in the functions that it calls too."""
    types = set()
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            types.add(equation.invars[0].aval.dtype)
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                types |= _multiplied(inner)
    return types


@partial(jax.jit, static_argnames=("model", "images", "precision"))
def _logits(model: Model, variables: Variables, x: jax.Array, images: bool, precision: Precision) -> jax.Array:
    x = x / 127.5 - 1.0 if images else x
    logits = model.apply(variables, x.astype(jnp.dtype(precision)))
    return logits if precision == "float64" else logits.astype(jnp.float32)


def _run(
    model: Model, variables: Variables, x: np.ndarray, batch: int, images: bool, precision: Precision
) -> Float[np.ndarray, "query cls"]:
    size = min(batch, max(16, 1 << (len(x) - 1).bit_length()))
    try:
        with np.errstate(over="raise"):
            block = pad(x, size).astype(np.float64 if precision == "float64" else np.float32)
    except FloatingPointError as error:
        raise InputError("a query holds a number beyond float32, in which the model computes: give smaller.") from error
    with jax.enable_x64(precision == "float64"), jax.default_matmul_precision("highest"):
        return np.asarray(_logits(model, variables, block, images, precision))[: len(x)]

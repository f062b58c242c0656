"""Flax modules as `jaxattack.types.Model`: this is the only place where Flax's object model is met.

A module is split once into its graph, its parameters, its batch statistics and its random streams. After that the
package works on plain pytrees with plain JAX transformations, and the module is merged inside the traced functions.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx

from jaxattack.types import Model, Variables

Precision = Literal["float32", "bfloat16"]

_TRAINING, _DEPLOYED = ("train", "training", "is_training"), ("deterministic", "use_running_average")
"""What a module's ``__call__`` may take to be told whether it trains, or that it does not."""


def from_nnx(build: Callable[[nnx.Rngs], Callable[..., jax.Array]]) -> Model:
    """A Model from a Flax NNX module.

    Args:
        build: makes the module from `nnx.Rngs`, called as ``build(rngs)``. The module maps inputs to logits
            ["query cls"]. Its dropout and batch norm are switched by ``train()`` and ``eval()``, and by what its ``__call__``
            takes of ``train``, ``training``, ``is_training``, ``deterministic`` and ``use_running_average``.

    Returns:
        The Model; everything differentiated is an `nnx.Param`, everything else but random streams is ``rest``.
    """
    abstract = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    abstract.train()
    training, *_, streams = nnx.split(abstract, nnx.Param, nnx.Not(nnx.RngState), ...)
    abstract.eval()
    deployed, *_ = nnx.split(abstract, nnx.Param, nnx.Not(nnx.RngState), ...)
    streams, kind = nnx.as_pure(streams), type(abstract)

    def init(key):
        _, params, rest, _ = nnx.split(build(nnx.Rngs(key)), nnx.Param, nnx.Not(nnx.RngState), ...)
        return Variables(nnx.as_pure(params), nnx.as_pure(rest))

    def apply(variables, x):
        module = nnx.merge(deployed, variables.params, variables.rest, _start(streams, jax.random.key(0)))
        return module(x, **_mode(kind, training=False))

    def forward(variables, x, key):
        module = nnx.merge(training, variables.params, variables.rest, _start(streams, key))
        logits = module(x, **_mode(kind, training=True))
        _, _, rest, _ = nnx.split(module, nnx.Param, nnx.Not(nnx.RngState), ...)
        return logits, nnx.as_pure(rest)

    return Model(init, apply, forward)


def from_module(module: nnx.Module) -> tuple[Model, Variables]:
    """A Model from a Flax NNX module that is made already, and what the module has learnt.

    Args:
        module: maps inputs to logits ["query cls"]; it is copied, and stays as it is.

    Returns:
        The Model, which starts every time as the module is now, and its variables.
    """
    copy = nnx.clone(module)
    model = from_nnx(lambda rngs: nnx.clone(copy))  # noqa: ARG005 (its weights are drawn already)
    return model, model.init(jax.random.key(0))


def is_linen(source: Any) -> bool:
    """Whether it is a Flax Linen module; Linen is not imported for the question."""
    linen = sys.modules.get("flax.linen")
    return linen is not None and isinstance(source, linen.Module)


def from_factory(factory: Callable[..., Any], shape: tuple[int, ...], classes: int) -> Model:
    """A Model from a class or function of the user's own, called as its signature tells.

    Args:
        factory: one that takes ``rngs`` makes a Flax NNX module: it is called as ``factory(rngs=rngs)`` where it needs nothing
            else, or as ``factory(shape, classes, rngs=rngs)``. Another is called as ``factory(shape, classes)`` and returns
            a Model, or a Flax Linen module.
        shape: the shape of one record.
        classes: the number of classes.

    Raises:
        TypeError: it needs something else, or returns something else.
    """
    parameters = _parameters(factory)
    if all(parameter.name != "rngs" for parameter in parameters):
        model = factory(shape, classes)
        model = from_linen(model, shape) if is_linen(model) else model
        if not isinstance(model, Model):
            raise TypeError(f"it returned {type(model).__name__}")
        return model
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [
        parameter.name
        for parameter in parameters
        if parameter.name != "rngs" and parameter.kind in plain and parameter.default is inspect.Parameter.empty
    ]
    if len(required) not in (0, 2):
        raise TypeError(f"beside rngs it needs {', '.join(required)}")
    return from_nnx(lambda rngs: factory(*((shape, classes) if required else ()), rngs=rngs))


def _parameters(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a factory takes; of a class its constructor, which Flax's metaclass hides."""
    if isinstance(factory, type):
        return _parameters(partial(factory))
    if isinstance(factory, partial) and isinstance(factory.func, type):
        factory = partial(factory.func.__init__, None, *factory.args, **factory.keywords)
    return list(inspect.signature(factory).parameters.values())


def _start(streams: Any, key: jax.Array) -> Any:
    """Random streams started from one key; the deployed model, which draws nothing, takes any."""
    leaves, tree = jax.tree.flatten(streams)
    fresh = [
        jnp.broadcast_to(jax.random.fold_in(key, number), leaf.shape)
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        else jnp.zeros(leaf.shape, leaf.dtype)
        for number, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(tree, fresh)


@cache
def _mode(kind: type, *, training: bool) -> dict[str, bool]:
    """What calls of a class are told of whether they train."""
    values = {**dict.fromkeys(_TRAINING, training), **dict.fromkeys(_DEPLOYED, not training)}
    taken = inspect.signature(kind.__call__).parameters
    # What is so by default is left unsaid: a call that is compiled takes what it is told as an array.
    return {name: value for name, value in values.items() if name in taken and taken[name].default is not value}


def from_linen(module: Any, shape: tuple[int, ...]) -> Model:
    """A Model from a Flax Linen module.

    Args:
        module: maps inputs to logits ["query cls"]. If its ``__call__`` takes ``train``, ``training``, ``is_training``,
            ``deterministic`` or ``use_running_average`` it is told whether it trains; it may draw from the stream ``dropout``
            and change the collection ``batch_stats``.
        shape: the shape of one input, as in `Dataset.shape`.

    Returns:
        The Model; the collection ``params`` is differentiated, every other collection is ``rest``.
    """

    mode = partial(_mode, type(module))

    def init(key):
        collections = dict(module.init(key, jnp.zeros((1, *shape)), **mode(training=False)))
        return Variables(collections.pop("params"), collections)

    def apply(variables, x):
        return module.apply({"params": variables.params, **variables.rest}, x, **mode(training=False))

    def forward(variables, x, key):
        collections = {"params": variables.params, **variables.rest}
        return module.apply(collections, x, mutable=list(variables.rest), rngs={"dropout": key}, **mode(training=True))

    return Model(init, apply, forward)


@cache
def in_precision(model: Model, precision: Precision) -> Model:
    """A Model that computes in a precision; the same model and precision give the same object.

    In bfloat16 parameters and inputs are rounded to it on their way in. Parameters, their gradients, ``rest`` and
    logits stay float32 outside, so that an optimiser changes float32 weights and a loss or a signal is computed in float32.
    Layers that widen what they are given, as `nnx.BatchNorm` and Linen's do unless told otherwise, hand on float32:
    the networks of `jaxattack.models.nets` have none.

    Args:
        model: it computes in the type of its parameters and inputs.
        precision: float32, the model as it is, or bfloat16.
    """
    if precision == "float32":
        return model

    def rounded(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16) if _is_float(leaf) else leaf, tree)

    def apply(variables, x):
        return model.apply(Variables(rounded(variables.params), variables.rest), rounded(x)).astype(jnp.float32)

    def forward(variables, x, key):
        logits, rest = model.forward(Variables(rounded(variables.params), variables.rest), rounded(x), key)
        statistics = jax.tree.map(lambda new, old: new.astype(old.dtype), rest, variables.rest)
        return logits.astype(jnp.float32), statistics

    return Model(model.init, apply, forward)


def _is_float(leaf: jax.Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def as_input(x: jax.Array) -> jax.Array:
    """Bytes 0..255 as floats -1..1; floats as they are. ["record *feature"]"""
    return x.astype(jnp.float32) / 127.5 - 1.0 if x.dtype == jnp.uint8 else x


@cache
def of_bytes(model: Model) -> Model:
    """A Model that takes pictures as 0..255, of one that takes them as -1..1; the same model gives the same object."""

    def scaled(x: jax.Array) -> jax.Array:
        return x / 127.5 - 1.0

    return Model(
        model.init,
        lambda variables, x: model.apply(variables, scaled(x)),
        lambda variables, x, key: model.forward(variables, scaled(x), key),
    )

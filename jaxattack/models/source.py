"""What a model may be given as, and the Model that it becomes for records of a shape.

| source | Model |
| --- | --- |
| `Architecture` | its network |
| `jaxattack.types.Model` | itself |
| a class or function that takes ``rngs`` | of the Flax NNX module ``source(rngs=rngs)`` or ``source(shape, classes, rngs=rngs)`` |
| a Flax NNX module | of it; every model starts from the weights that it has, as in fine-tuning, and a warning says so |
| a Flax Linen module | of it |
| another function | what ``source(shape, classes)`` returns: a Model or a Linen module |
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import jax
import numpy as np
from flax import nnx

from jaxattack.models.adapt import from_factory, from_linen, from_module, is_linen
from jaxattack.models.architecture import Architecture
from jaxattack.types import InputError, InputWarning, Model

ModelSource = Architecture | Model | Callable


def label(source: ModelSource) -> str:
    """What a source is called: an architecture's name, module:class, module:function, or Model."""
    if isinstance(source, Architecture):
        return source.name
    if isinstance(source, Model):
        return "Model"
    if isinstance(source, partial):
        return label(source.func)
    owner = source if hasattr(source, "__qualname__") else type(source)
    return f"{owner.__module__}:{owner.__qualname__}"


def model_of(source: ModelSource, shape: tuple[int, ...], classes: int) -> Model:
    """The Model for records of a shape.

    Args:
        source: as the module says.
        shape: of a record.
        classes: how many logits it answers with.

    Raises:
        InputError: records that an architecture does not take; a factory that fails or makes no Model; a Model that does
            not answer such records with logits. What the user's own code raised is its cause.
    """
    if isinstance(source, Architecture):
        return source.build(shape, classes)
    try:
        model = _model(source, shape, classes)
        answers = _answers(model, jax.ShapeDtypeStruct((2, *shape), np.float32))
    except Exception as error:
        raise InputError(
            f"model {label(source)} failed for records of shape {shape} and {classes} classes "
            f"({reason_of(error)}): {_remedy(source)}."
        ) from error
    for function, answer_shape in answers.items():
        if answer_shape != (2, classes):
            raise InputError(
                f"model {label(source)}: {function} answers 2 records with shape {answer_shape}: answer with logits "
                f"[record, {classes}]."
            )
    if isinstance(source, nnx.Module):
        warnings.warn(
            f"model {label(source)} is made already: every model starts from its weights, as in fine-tuning; give its class "
            "for models that start anew.",
            InputWarning,
            stacklevel=2,
        )
    return model


def reason_of(error: Exception) -> str:
    """Why a model was not made, on one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _model(source: Model | Callable, shape: tuple[int, ...], classes: int) -> Model:
    if isinstance(source, Model):
        return source
    if isinstance(source, nnx.Module):
        return from_module(source)[0]
    if is_linen(source):
        return from_linen(source, shape)
    return from_factory(source, shape, classes)


def _remedy(source: ModelSource) -> str:
    if isinstance(source, Model):
        return "give a Model for such records"
    if isinstance(source, nnx.Module) or is_linen(source):
        return "give a module that takes a batch of such records"
    return (
        "it is called as factory(shape, classes) and returns a jaxattack Model, or where it takes rngs as factory(rngs=rngs) "
        "or factory(shape, classes, rngs=rngs) and returns a Flax module"
    )


def _answers(model: Model, records: jax.ShapeDtypeStruct) -> dict[str, tuple[int, ...]]:
    """The shapes that a model's functions answer with; nothing is computed."""
    key = jax.random.key(0)
    variables = jax.eval_shape(model.init, key)
    deployed = jax.eval_shape(model.apply, variables, records)
    logits, rest = jax.eval_shape(model.forward, variables, records, key)
    if jax.tree.structure(rest) != jax.tree.structure(variables.rest):
        raise ValueError("forward returns another structure of rest than init")
    return {"apply": deployed.shape, "forward": logits.shape}

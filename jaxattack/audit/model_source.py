"""What a model is, as a value, and the Model that it becomes for records of a shape.

| source | Model |
| --- | --- |
| `jaxattack.models.Architecture` | its network |
| `jaxattack.types.Model` | itself |
| a class or function that takes ``rngs`` | of the Flax NNX module ``source(rngs=rngs)`` or ``source(shape, classes, rngs=rngs)`` |
| another function | what ``source(shape, classes)`` returns |

An architecture is known by its fields. Anything else is known by its code, as JAX traces it
(`jaxattack.oracle.identity.of_code`): its name stays where its code changes.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxattack.models import Architecture, from_factory
from jaxattack.oracle.identity import of_code
from jaxattack.training.images import check_images
from jaxattack.types import Dataset, InputError, Model

ModelSource = Architecture | Model | Callable
EXAMPLE = "jaxattack.models.Architecture(name='mlp:256')"


def label(source: ModelSource) -> str:
    """What a source is called: an architecture's name, module:function, or Model."""
    if isinstance(source, Architecture):
        return source.name
    if isinstance(source, Model):
        return "Model"
    if isinstance(source, partial):
        return label(source.func)
    owner = source if hasattr(source, "__qualname__") else type(source)
    return f"{owner.__module__}:{owner.__qualname__}"


def model_for(source: ModelSource, dataset: Dataset) -> Model:
    """The Model for the records of a data set.

    Raises:
        InputError: images that an architecture would misread, or what `model_of` refuses.
    """
    if isinstance(source, Architecture):
        check_images(dataset)
    return model_of(source, dataset.shape, dataset.classes)


def model_of(source: ModelSource, shape: tuple[int, ...], classes: int) -> Model:
    """The Model for records of a shape.

    Raises:
        InputError: records that an architecture does not take; a factory that fails or makes no Model; a Model that does
            not answer such records with logits.
    """
    if isinstance(source, Architecture):
        return source.build(shape, classes)
    try:
        model = source if isinstance(source, Model) else from_factory(source, shape, classes)
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
    return model


def identity(source: ModelSource, model: Model, shape: tuple[int, ...]) -> dict[str, Any]:
    """What decides a model before it is trained, as plain values.

    Args:
        source: what it is.
        model: of it, for records of this shape.
        shape: of a record.
    """
    if isinstance(source, Architecture):
        return {"model": source.name, "activation": source.activation, "dropout": source.dropout}
    return {"model": label(source), "code": of_code(model, shape)}


def is_factory(name: str) -> bool:
    """Whether a word names a function of the user's own, package.module:factory."""
    return name.partition(":")[2].isidentifier()


def source_of(name: str) -> ModelSource:
    """What a word names: package.module:factory, or an architecture."""
    return load_factory(name) if is_factory(name) else Architecture(name=name)


def load_factory(name: str) -> ModelSource:
    """What package.module:factory names; a module of the current folder is found too, as `python -m` finds it.

    Raises:
        InputError: it cannot be imported.
    """
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), function)
    except Exception as error:
        raise InputError(
            f"model {name} cannot be imported ({reason_of(error)}): give package.module:factory."
        ) from error


def reason_of(error: Exception) -> str:
    """Why a model was not made, on one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _remedy(source: ModelSource) -> str:
    if isinstance(source, Model):
        return "give a Model for such records"
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

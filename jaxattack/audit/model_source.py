"""What tells one run's model from another's, and models by name.

What a model may be given as is said in `jaxattack.models.source`. An architecture is known by its fields. Anything else is
known by its code, as JAX traces it (`jaxattack.oracle.identity.of_code`): its name stays where its code changes.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from jaxattack.models import Architecture, ModelSource, label
from jaxattack.models.source import reason_of
from jaxattack.oracle.identity import of_code
from jaxattack.types import InputError, Model

EXAMPLE = "jaxattack.models.Architecture(name='mlp:256')"


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

"""Configurations that check themselves: frozen keyword-only dataclasses whose fields are of the types they are annotated with.

    int       a whole number of 32 bits; no truth value, and no float that happens to be whole
    float     a number, whole ones too; not NaN
    Literal   one of its values
    tuple     of such values; a list becomes a tuple, so that the configuration can be hashed
    X | None  either

Scalars of NumPy become Python's, which JSON knows. A class is an instance of it. What an annotation cannot say, such as a
range or the shape of an array, the class says in ``__post_init__``, which sees checked values. Types that have no such test
(callables, Any) pass. Where a field's metadata has an ``example``, the message says it.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

import numpy as np

from jaxattack.error import InputError

Config = TypeVar("Config")


LARGEST = 2**32 - 1
"""Of whole numbers, in size: of a seed JAX has no more bits."""


def _integral(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _number(value: Any) -> bool:
    """Whether it is a number, and one that a float can hold."""
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**1023
    return isinstance(value, float) and not math.isnan(value)


_KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: ("a whole number", _integral),
    float: ("a number", _number),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    str: ("a word", lambda value: isinstance(value, str)),
    type(None): ("none", lambda value: value is None),
}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def config(cls: type[Config]) -> type[Config]:
    """Make a class a frozen keyword-only dataclass that refuses values of other types than its fields have.

    Raises:
        InputError: on making an instance; it names the field, the value and what to give.

    Example:
        >>> @config
        ... class Walk:
        ...     steps: int = 10
        >>> Walk(steps=1.5)
        Traceback (most recent call last):
            ...
        jaxattack.error.InputError: steps is 1.5: give a whole number.
    """
    ranges = getattr(cls, "__post_init__", None)  # its own, or that of a configuration it extends

    def __post_init__(self: Any) -> None:
        for name, annotation in _annotations(type(self)).items():
            value = getattr(self, name)
            plain = _plain(value)
            if not holds(plain, annotation):
                example = _examples(type(self)).get(name)
                remedy = f"{describe(annotation, plain)}{f', as {example}' if example else ''}"
                raise InputError(f"{name} is {_display(value)}: give {remedy}.")
            if _number(plain) and abs(plain) >= 2**53 and not _integral(plain):
                plain = float(plain)  # beyond 64 bits NumPy would take it for an object
            if plain is not value:
                object.__setattr__(self, name, plain)
        if ranges is not None:
            ranges(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
    return dataclasses.dataclass(frozen=True, kw_only=True)(cls)


@cache
def _annotations(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _display(value: Any) -> str:
    """A value on one line; what takes several, as arrays do, in its first words."""
    text = repr(value)
    return text if "\n" not in text else f"{' '.join(text.split()):.100}..."


@cache
def _examples(cls: type) -> dict[str, str]:
    return {field.name: field.metadata["example"] for field in dataclasses.fields(cls) if "example" in field.metadata}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def holds(value: Any, annotation: Any) -> bool:
    """Whether a value is of an annotated type, as the module says."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in _KINDS:
        return _KINDS[annotation][1](value)
    if origin is Literal:
        return any(value == part and type(value) is type(part) for part in parts)
    if origin in (Union, types.UnionType):
        return any(holds(value, part) for part in parts)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        each = parts[:1] * len(value) if parts[-1:] == (...,) else parts
        return len(each) == len(value) and all(map(holds, value, each))
    if origin is Callable:
        return callable(value)
    if hasattr(annotation, "array_type"):
        return True  # an array says more by its shape than a test of its type would
    if isinstance(value, type) and getattr(annotation, "_is_protocol", False):
        return False  # a class has the names that its instances have
    try:
        return isinstance(value, annotation)
    except TypeError:  # a protocol that cannot be tested, a callable with its arguments
        return True


def describe(annotation: Any, value: Any = None) -> str:
    """What values an annotation admits, in words; beside a whole number that it does not, how large one may be."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if annotation in _KINDS:
        large = annotation is int and isinstance(value, int) and abs(value) > LARGEST
        return _KINDS[annotation][0] + (f" from {-LARGEST} to {LARGEST}" if large else "")
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(part, value) for part in parts))
    if origin is tuple:
        return f"a tuple, each {describe(parts[0])}"
    if Callable in (annotation, origin):
        return "a function"
    name = getattr(annotation, "__name__", f"{annotation}")
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"

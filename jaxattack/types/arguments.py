"""Public functions that check what they are given, as configurations do: by their annotations, with one sentence."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, get_args

from jaxattack.error import InputError
from jaxattack.types.config import describe, holds

Function = TypeVar("Function", bound=Callable[..., Any])


def check_arguments(*names: str) -> Callable[[Function], Function]:
    """Make a function refuse arguments of other types than it is annotated with.

    What an annotation cannot say, the function says. Types that have no such test (arrays, protocols) pass.

    Args:
        names: of the arguments; the others are checked elsewhere, as by a configuration that they become.

    Raises:
        InputError: on a call; it names the argument, the value and what to give.

    Example:
        >>> @check_arguments("most")
        ... def first(folder: str, most: int = 3) -> str:
        ...     return folder[:most]
        >>> first("runs")
        'run'
        >>> first("runs", most="many")
        Traceback (most recent call last):
            ...
        jaxattack.error.InputError: most is 'many': give a whole number.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)

        @functools.cache
        def hints() -> dict[str, Any]:  # at the first call: a module may name what it defines below
            annotations = SimpleNamespace(__annotations__={name: function.__annotations__[name] for name in names})
            return typing.get_type_hints(annotations, inspect.unwrap(function).__globals__)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            arguments = signature.bind(*args, **kwargs).arguments
            for name in names:
                if name in arguments:
                    _check(name, arguments[name], hints()[name])
            return function(*args, **kwargs)

        return typing.cast(Any, call)

    return decorate


def _check(name: str, value: Any, annotation: Any) -> None:
    if holds(value, annotation):
        return
    parts = get_args(annotation) or (annotation,)
    remedy = describe(annotation, value)
    if Path in parts:
        remedy = "the path of a folder or a file" + (", or none" if type(None) in parts else "")
    raise InputError(f"{name} is {repr(value).partition(chr(10))[0]:.100}: give {remedy}.")

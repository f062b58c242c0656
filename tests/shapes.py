"""The shapes and kinds of arrays, as annotations say them, checked by beartype whenever a function of the package returns.

Other annotations are pyright's. It differs from `jaxtyping.install_import_hook` in what tests need: a function that refuses
an array does so first, with its own sentence, and functions without arrays run as they are (three times as fast to import).
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import re
import sys
import typing
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from beartype.door import is_bearable
from jaxtyping import AbstractArray, jaxtyped

CHECKED = tuple(
    f"jaxattack.{room}"
    for room in (
        "types",
        "data",
        "metrics",
        "models",
        "signals",
        "defences",
        "oracle",
        "perturb",
        "training",
        "attacks.membership",
        "attacks.evasion",
        "attacks.poisoning",
        "report",
    )
)
"""The rooms whose annotations have been brought to it; other families of attacks, audits and the server have not."""


class WrongShapeError(TypeError):
    """An array is not what the annotation says; no code expects this error."""


class CheckingLoader(SourceFileLoader):
    """Loads a module with `check_function` around its functions and `check_fields` around its classes."""

    def get_code(self, fullname: str) -> CodeType:
        """The changed module; it is compiled each time, so that no cache mixes the two."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):  # innermost, below `property` and `jax.jit`
                node.decorator_list.append(ast.copy_location(ast.Name("_check_function", ast.Load()), node))
            elif isinstance(node, ast.ClassDef):  # outermost, above `dataclass`
                node.decorator_list.insert(0, ast.copy_location(ast.Name("_check_fields", ast.Load()), node))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Run it, with the two names in its scope."""
        vars(module).update(_check_function=check_function, _check_fields=check_fields)
        super().exec_module(module)


class CheckingFinder(MetaPathFinder):
    """Finds the modules of rooms of a package for `CheckingLoader`."""

    def __init__(self, rooms: Sequence[str]):
        """Watch rooms: packages or modules."""
        self.rooms = tuple(f"{room}." for room in rooms)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's, if it is in one of the rooms."""
        if f"{fullname}.".startswith(self.rooms):
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = CheckingLoader(spec.loader.name, spec.loader.path)
                return spec
        return None


def check_shapes(*rooms: str) -> None:
    """Check the arrays of functions and dataclasses of these packages or modules from here on; before they are imported."""
    sys.meta_path.insert(0, CheckingFinder(rooms))


def check_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose annotated arrays, those it took and those it returns, are checked together when it returns."""
    hints = array_hints(function)
    if not hints:
        return function
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        check(function.__qualname__, hints, signature.bind(*args, **kwargs).arguments | {"return": result})
        return result

    return checked


def check_fields(kind: type) -> type:
    """A dataclass whose annotated arrays are checked when it has been made, and has not refused them itself."""
    if not dataclasses.is_dataclass(kind) or "__init__" not in vars(kind):
        return kind
    hints = array_hints(kind)
    if not hints:
        return kind
    initialise: Any = kind.__init__

    @functools.wraps(initialise)
    def checked(self: Any, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        check(kind.__qualname__, hints, {name: getattr(self, name) for name in hints})

    kind.__init__ = checked
    return kind


def check(name: str, hints: dict[str, Any], values: dict[str, Any]) -> None:
    """Refuse arrays that are not what their annotations say, each axis having one length under one name.

    Raises:
        WrongShapeError: it names the function, the array and the axes.
    """
    with jaxtyped("context"):
        for word, hint in hints.items():
            if word in values and not is_bearable(values[word], hint):
                shown = ", ".join(f"{other}: {described(values.get(other))}" for other in hints)
                raise WrongShapeError(f"{name}: {word} is not {hint}; {shown}")


def described(value: Any) -> str:
    """An array as its type and shape."""
    return f"{value.dtype}{[*value.shape]}" if hasattr(value, "shape") else type(value).__name__


def array_hints(annotated: Any) -> dict[str, Any]:
    """The annotations in which an array is named, as types."""
    module = vars(sys.modules[annotated.__module__])
    hints = {name: resolve(text, module) for name, text in annotated.__annotations__.items() if isinstance(text, str)}
    return {name: hint for name, hint in hints.items() if has_array(hint)}


def resolve(text: str, module: dict[str, Any]) -> Any:
    """An annotation as a type, or None where it names no array.

    Raises:
        NameError, ValueError: an annotation of an array that says nothing.
    """
    if "'" not in text and not any(has_array(module.get(word)) for word in re.findall(r"\w+", text)):
        return None  # axes are in quotes, single ones in an annotation that was parsed
    return eval(text, module, {})


def has_array(hint: Any) -> bool:
    """Whether a type is an array's, or holds one; what a callable takes cannot be known."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return typing.get_origin(hint) is not Callable and any(map(has_array, typing.get_args(hint)))

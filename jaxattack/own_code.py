"""What tells apart two versions of a class that is not of this package: a run folder must not answer for code that has changed.

A configuration is known by its class's name and its fields. Of a class of somebody's own that is too little: its name stays
where its code changes. Its code is the bytecode of its functions, and of the functions and classes of the same package that
they name or enclose, with the numbers, texts, tuples and arrays that these use; comments, docstrings, annotations and what a
dataclass generates do not count, nor what is in a list or dictionary, which may fill while a program runs. Another version of
Python may compile the same text to other code.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import itertools
from collections.abc import Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import jax
import numpy as np

_GENERATED = {"__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__"}
_WRAPPERS = {property: "fget", functools.cached_property: "func", staticmethod: "__func__", classmethod: "__func__"}


def own_code(value: object) -> dict[str, str]:
    """The code of a value's class as ``{"own_code": SHA-256}``; nothing where the class is of this package.

    Example:
        >>> own_code(ja.defences.Round(decimals=2))
        {}
    """
    root = _root(type(value))
    if root == _root(own_code):
        return {}
    text = "\n".join(_lines(type(value), root, set()))
    return {"own_code": hashlib.sha256(text.encode()).hexdigest()}


def own_version(value: Any) -> str:
    """The code of a value's class, and its fields where they are not the defaults, as a SHA-256; of a class of this package that of
    the values that its fields hold, and "" where all are of this package.

    What is kept under a name that the class chooses is told apart by it.
    """
    code = own_code(value).get("own_code", "")
    fields = {field.name: field.default for field in dataclasses.fields(value)} if _is_configuration(value) else {}
    here = {name: getattr(value, name) for name in fields} or _attributes(value)
    root = _root(type(value))
    pairs = (
        {name: (_setting(one, root), _setting(fields.get(name), root)) for name, one in here.items()} if code else {}
    )
    settings = {name: one for name, (one, default) in pairs.items() if one != default}
    within = [version for one in here.values() if _is_configuration(one) and (version := own_version(one))]
    return hashlib.sha256(f"{code} {settings} {within}".encode()).hexdigest() if settings or within else code


def _is_configuration(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _attributes(value: object) -> dict[str, Any]:
    """Of an object that is no dataclass; without lists and dictionaries, which may fill while a program runs."""
    return {name: one for name, one in getattr(value, "__dict__", {}).items() if not isinstance(one, list | dict | set)}


def _setting(value: Any, root: str) -> str:
    """A value of a field as text that is the same in every process: arrays by all they hold, functions by their names and code."""
    if _is_configuration(value):
        parts = {field.name: _setting(getattr(value, field.name), root) for field in dataclasses.fields(value)}
        return f"{type(value).__qualname__} {parts}"
    if isinstance(value, functools.partial):
        return f"partial {[_setting(part, root) for part in (value.func, value.args, value.keywords)]}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} {[_setting(one, root) for one in value]}"
    if isinstance(value, dict):
        return f"dict { {_setting(key, root): _setting(one, root) for key, one in value.items()} }"
    if callable(value):
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", type(value).__name__)
        return "\n".join([name, *_lines(value, root, set())])
    text = repr(value)  # of an object without one of its own it is where it lies
    return _plain(value) if isinstance(value, np.ndarray | np.generic | jax.Array) or " at 0x" in text else text


def _root(thing: Any) -> str:
    """The package of a class or function."""
    return (getattr(thing, "__module__", None) or "").partition(".")[0]


def _lines(thing: Any, root: str, visited: set[Any]) -> Iterator[str]:
    """A class or function of the package, whatever wraps it, or a plain value; nothing of anything else."""
    thing = getattr(thing, _WRAPPERS.get(type(thing), ""), thing)
    thing = inspect.unwrap(thing) if callable(thing) else thing
    if isinstance(thing, functools.partial):
        for part in (thing.func, *thing.args, *itertools.chain(*thing.keywords.items())):
            yield from _lines(part, root, visited)
    elif not isinstance(thing, type | FunctionType):
        yield _plain(thing)
    elif _root(thing) == root and thing not in visited:
        visited.add(thing)
        yield from (
            _of_function(thing, root, visited) if isinstance(thing, FunctionType) else _of_class(thing, root, visited)
        )


def _of_class(cls: type, root: str, visited: set[Any]) -> Iterator[str]:
    generated = _GENERATED if dataclasses.is_dataclass(cls) else set()
    for base in cls.__bases__:
        yield from _lines(base, root, visited)
    for name, member in sorted(vars(cls).items()):
        if name not in generated and (not name.startswith("__") or callable(member)):
            yield name
            yield from _lines(member, root, visited)


def _of_function(function: FunctionType, root: str, visited: set[Any]) -> Iterator[str]:
    yield _plain(function.__defaults__)
    yield _plain(tuple((function.__kwdefaults__ or {}).items()))
    codes = [function.__code__]
    for code in codes:  # and those within it
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
        yield from (_plain(constant) for constant in code.co_consts if constant != function.__doc__)
        for thing in _named(function, code, root):
            yield from _lines(thing, root, visited)
    for cell in function.__closure__ or ():
        if cell != CellType():
            yield from _lines(cell.cell_contents, root, visited)


def _named(function: FunctionType, code: CodeType, root: str) -> Iterator[Any]:
    """What the names of a function's code stand for in its module, and in modules of the package that it names."""
    modules: list[ModuleType] = []
    for there in itertools.chain([function.__globals__], map(vars, modules)):  # and those that are added meanwhile
        for name in code.co_names:
            thing = there.get(name)
            if not isinstance(thing, ModuleType):
                yield thing
            elif thing.__name__.partition(".")[0] == root and thing not in modules:
                modules.append(thing)


def _plain(value: Any) -> str:
    """A value as text that is the same in every process; of an object its kind alone."""
    if isinstance(value, tuple | frozenset):
        parts = map(_plain, value)
        return f"({', '.join(parts if isinstance(value, tuple) else sorted(parts))})"
    if isinstance(value, np.ndarray | np.generic | jax.Array) and getattr(value.dtype, "kind", "") in "biufc":
        array = np.asarray(value)
        return f"{array.dtype} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
    scalar = value is None or isinstance(value, bool | int | float | complex | str | bytes)
    return repr(value) if scalar else type(value).__name__

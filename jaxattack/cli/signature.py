"""The options of a command from its source, so that a mistake among them is told at once: importing a command imports JAX.

The options are the parameters of the command's function and, of those annotated with a configuration, its fields. A function
with parameters of the same names and types stands in for the command while the words are checked; it has no defaults, no
help and no values of the package, none of which says whether a word is an option.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from jaxattack.cli.options import Names, Numbers, Words

_ROOT = Path(__file__).parents[2]
_HINTS: dict[str, Any] = {
    **{kind.__name__: kind for kind in (bool, int, float, str, Path)},
    "Words": Words,
    "Names": Names,
    "Numbers": Numbers,
}


def stand_in(place: str) -> Callable[..., None]:
    """A function with the options of a command.

    Args:
        place: of the command, as ``package.module:function``.

    Example:
        >>> function = stand_in("jaxattack.cli.runs:runs")
        >>> [*inspect.signature(function).parameters]
        ['folder', 'quiet', 'json', 'config']
    """
    module, _, name = place.partition(":")
    parameters: dict[str, Parameter] = {}
    for parameter in _parameters(module, _definitions(module)[name]):
        parameters.setdefault(parameter.name, parameter)  # where two options share a name, typing it sets the first

    def command(*_: Any, **__: Any) -> None:
        """Do nothing."""

    command.__signature__ = inspect.Signature([*parameters.values()])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters.values()}
    return command


def _parameters(module: str, function: Any) -> Iterator[Parameter]:
    """Of a command, those annotated with a configuration as its fields."""
    arguments: ast.arguments = function.args
    positional = arguments.posonlyargs
    required = len(positional) - len(arguments.defaults)
    for place, argument in enumerate(positional):
        yield _parameter(argument.arg, module, argument.annotation, Parameter.POSITIONAL_ONLY, place < required)
    if arguments.vararg:
        yield _parameter(arguments.vararg.arg, module, arguments.vararg.annotation, Parameter.VAR_POSITIONAL, True)
    for argument in arguments.kwonlyargs:
        home, node = _resolve(module, argument.annotation)
        if isinstance(node, ast.ClassDef):
            yield from _fields(home, node)
        else:
            yield _parameter(argument.arg, module, argument.annotation, Parameter.KEYWORD_ONLY)


def _fields(module: str, configuration: ast.ClassDef) -> Iterator[Parameter]:
    """Of a configuration, those that it inherits first."""
    for base in configuration.bases:
        home, node = _resolve(module, base)
        if isinstance(node, ast.ClassDef):
            yield from _fields(home, node)
    for line in configuration.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            yield _parameter(line.target.id, module, line.annotation, Parameter.KEYWORD_ONLY)


def _parameter(name: str, module: str, annotation: Any, kind: Any, required: bool = False) -> Parameter:
    default = Parameter.empty if required else None
    return Parameter(name, kind, default=default, annotation=_hint(module, annotation))


def _hint(module: str, annotation: Any) -> Any:
    """The type of an option that an annotation says; a word where it is one of the package's own, which words name."""
    home, node = _resolve(module, annotation)
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name) if name in _HINTS:
            return _HINTS[name]
        case ast.BinOp(left=left, right=right):
            return _either(_hint(home, left), _hint(home, right))
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            return Literal[ast.literal_eval(choices)]
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[each, ast.Constant()])):
            return tuple[_hint(home, each), ...]
    return str


def _either(one: Any, other: Any) -> Any:
    """One type or another; of two lists of choices one list, which is told as such."""
    if get_origin(one) is get_origin(other) is Literal:
        return Literal[*get_args(one), *get_args(other)]
    return Union[one, other]  # noqa: UP007 (of values, one of which may be None)


def _resolve(module: str, annotation: Any) -> tuple[str, Any]:
    """What an annotation stands for, without what is noted beside it, and the module that says so."""
    match annotation:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *_])):
            return _resolve(module, kind)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            origin, of = _origin(module, name)
            return _resolve(f"{origin}.{of}", ast.Name(attribute))
        case ast.Name(id=name) if name not in _HINTS:
            home, own = _origin(module, name)
            node = _definitions(home).get(own)
            return _resolve(home, node.value) if isinstance(node, ast.Assign) else (home, node)
    return module, annotation


def _origin(module: str, name: str) -> tuple[str, str]:
    """The module that defines a name, and the name there."""
    node = _definitions(module).get(name)
    if not isinstance(node, ast.ImportFrom) or node.module is None:
        return module, name
    (imported,) = (alias.name for alias in node.names if name in (alias.asname, alias.name))
    return _origin(node.module, imported)


@cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    """The statements of a module that define its names, for type checkers alone too; none of another package."""
    place = _ROOT.joinpath(*module.split("."))
    sources = [path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()]
    body = ast.parse(sources[0].read_text(encoding="utf-8")).body if sources else []
    names: dict[str, ast.stmt] = {}
    for node in chain(body, *(block.body for block in body if isinstance(block, ast.If))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                names[name] = node
            case ast.ImportFrom(names=imported):
                names |= dict.fromkeys((alias.asname or alias.name for alias in imported), node)
    return names

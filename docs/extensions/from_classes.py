"""Directives whose text is made from the package's own classes when the documentation is built, so that it cannot differ from them.

{commands}                       every command of `jaxattack` and its options
{catalogue} membership           a family of attacks, or signals, defences or learners, with papers
{keys} MODULE:CLASS              the keys of the JSON that a dataclass of findings becomes, nested ones after it
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from cyclopts.docs.markdown import generate_markdown_docs
from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jaxattack.attacks.methods import Method, catalogue
from jaxattack.cli import application

NONE = "·"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)


def method_row(method: Method, heads: Sequence[str]) -> tuple[object, ...]:
    """A method's name, its figures and its paper."""
    figures = (getattr(method, head) for head in heads)
    return f"`{method.name}`", *(NONE if figure is None else figure for figure in figures), method.paper


def catalogue_text(family: str) -> str:
    """A family's table, without the columns that none of it has."""
    methods = catalogue([family])
    heads = [
        head for head in ("sees", "queries", "models") if any(getattr(method, head) is not None for method in methods)
    ]
    return table(["name", *heads, "paper"], (method_row(method, heads) for method in methods))


def attribute_texts(kind: type) -> dict[str, str]:
    """What the section "Attributes" of a class and of its bases says of each attribute."""
    texts: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = re.search(r"^Attributes:\n((?:[ \t]+.*\n|\n)*)", f"{inspect.cleandoc(base.__doc__ or '')}\n", re.M)
        for entry in re.split(r"\n(?=    \S)", f"\n{section[1].rstrip()}" if section else ""):
            name, colon, text = entry.strip().partition(": ")
            if colon:
                texts[name] = " ".join(text.split())
    return texts


PLAIN = {float: "number", int: "whole number", bool: "true or false", str: "text", type(None): "null", Any: "anything"}


def anchor(kind: type, root: type) -> str:
    """Where the keys of a dataclass are, on the page of the findings that it is a part of."""
    return re.sub(r"\W", "-", f"keys-{root.__name__}-{kind.__module__}-{kind.__name__}").lower()


def json_type(hint: Any, root: type) -> str:
    """What a value of this type is in JSON, in words, on the page of some findings."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Literal:
        return " or ".join(f'`"{one}"`' for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(json_type(one, root) for one in arguments))
    if origin is tuple and Ellipsis not in arguments:
        return f"[{', '.join(json_type(one, root) for one in arguments)}]"
    if origin in (tuple, list, Sequence):
        return f"array of {json_type(arguments[0], root)}"
    if origin is not None and issubclass(origin, Mapping):
        return f"object of {json_type(arguments[1], root)}"
    if is_dataclass(hint):
        return f"[{hint.__name__}](#{anchor(hint, root)})"
    if origin is np.ndarray or hasattr(hint, "dim_str"):
        return "array of numbers"
    return "text"


def parts_of(hint: Any) -> list[type]:
    """The dataclasses that a type mentions."""
    here = [hint] if is_dataclass(hint) else []
    return here + [kind for argument in get_args(hint) for kind in parts_of(argument)]


def key_rows(kind: type, root: type) -> list[tuple[str, str, str]]:
    """Key, type and meaning of each field of a dataclass."""
    hints, texts = get_type_hints(kind), attribute_texts(kind)

    def row(part: Field[Any]) -> tuple[str, str, str]:
        words = json_type(hints[part.name], root)
        if part.metadata.get("optional"):
            words = f"{words.removesuffix(' or null')}, or left out"
        return f"`{part.name.removesuffix('_')}`", words, texts[part.name]

    return [row(part) for part in fields(kind)]


def dataclasses_in(kind: type) -> list[type]:
    """A dataclass and all that its fields are made of, each once, outermost first."""
    order: dict[type, None] = {kind: None}
    for one in order.copy():
        for hint in get_type_hints(one).values():
            for part in parts_of(hint):
                order |= dict.fromkeys(dataclasses_in(part))
    return list(order)


def keys_text(place: str) -> str:
    """The tables of a dataclass of findings and of those in it, each under its name."""
    module, _, name = place.partition(":")
    root = getattr(import_module(module), name)
    tables = []
    for kind in dataclasses_in(root):
        words = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
        rows = table(("key", "value", "what it is"), key_rows(kind, root))
        tables.append(f"({anchor(kind, root)})=\n## {kind.__name__}\n\n{words}\n\n{rows}\n")
    return "\n".join(tables)


def commands_text() -> str:
    """Every command and its options."""
    return generate_markdown_docs(application(), generate_toc=False, no_root_title=True, heading_level=2)


class Commands(SphinxDirective):
    """All commands."""

    def run(self) -> list[Node]:
        """Their sections."""
        return self.parse_text_to_nodes(commands_text(), allow_section_headings=True)


class Catalogue(SphinxDirective):
    """A family of methods."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """Its table."""
        return self.parse_text_to_nodes(catalogue_text(self.arguments[0]))


class Keys(SphinxDirective):
    """The keys of findings."""

    required_arguments = 1

    def run(self) -> list[Node]:
        """A section for each dataclass."""
        return self.parse_text_to_nodes(keys_text(self.arguments[0]), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directives known."""
    for name, directive in (("commands", Commands), ("catalogue", Catalogue), ("keys", Keys)):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}

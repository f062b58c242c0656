"""Tables of the documentation say what the classes say, and nothing is left out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import from_classes
import numpy as np
import plain_docstrings
import pytest
from jaxtyping import Float
from pages import ROOT

from jaxattack.attacks.methods import FAMILIES, catalogue
from jaxattack.audit.findings import optional
from jaxattack.cli import COMMANDS
from jaxattack.report.folder import KINDS


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A part.

    Attributes:
        count: how
            many.
    """

    count: int


@dataclass(frozen=True, kw_only=True)
class Base:
    """What all have.

    Attributes:
        name: a | bar.
    """

    name: str


@dataclass(frozen=True, kw_only=True)
class Outer(Base):
    """All.

    Attributes:
        parts: of it.
        rates: by rate.
        scores: of records.
        in_: whether.
        note: or none.
    """

    parts: tuple[Inner, ...]
    rates: Mapping[str, tuple[float, float] | None]
    scores: Float[np.ndarray, "record"]
    in_: bool
    note: Literal["a", "b"] | None = optional()


def test_keys_are_fields_with_their_types_and_words_also_those_of_bases():
    assert from_classes.key_rows(Outer, Outer) == [
        ("`name`", "text", "a | bar."),
        ("`parts`", f"array of [Inner](#{from_classes.anchor(Inner, Outer)})", "of it."),
        ("`rates`", "object of [number, number] or null", "by rate."),
        ("`scores`", "array of numbers", "of records."),
        ("`in`", "true or false", "whether."),
        ("`note`", '`"a"` or `"b"`, or left out', "or none."),
    ]
    assert from_classes.key_rows(Inner, Outer) == [("`count`", "whole number", "how many.")]
    assert from_classes.dataclasses_in(Outer) == [Outer, Inner]


def test_a_table_keeps_its_columns():
    assert from_classes.table(["a", "b"], [[1, "x|y"]]) == "| a | b |\n| --- | --- |\n| 1 | x&#124;y |"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_of_a_family_is_in_its_table(family):
    text = from_classes.catalogue_text(family)
    for method in catalogue([family]):
        assert f"| `{method.name}` |" in text
        assert method.paper in text


def test_every_command_is_in_the_reference():
    text = from_classes.commands_text()
    for name in COMMANDS:
        assert f"## jaxattack {name}\n" in text


def test_docstrings_are_read_as_they_are_written():
    docstring = """Scores of `a*b*`, where x * y and in_ are.

        z = |x|

    name   what it is

    Args:
        x: a *number*.

        >>> 2 * 3
        6
    """
    assert list(plain_docstrings.plain([line.removeprefix("    ") for line in docstring.splitlines()])) == [
        "Scores of `a*b*`, where x \\* y and in\\_ are.",
        "",
        "::",
        "",
        "        z = |x|",
        "",
        "::",
        "",
        "    name   what it is",
        "",
        "Args:",
        "    x: a \\*number\\*.",
        "",
        "    >>> 2 * 3",
        "    6",
        "",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_report_has_a_page_of_its_keys(kind):
    page = (ROOT / "docs" / "formats" / f"{kind}.md").read_text(encoding="utf-8")
    for module, name in re.findall(r"\{keys\} ([\w.]+):(\w+)", page):
        root = getattr(import_module(module), name)
        (field,) = [part for part in dataclasses.fields(root) if part.name == "kind"]
        assert field.default == kind
        for part in from_classes.dataclasses_in(root):
            assert all(words for _, _, words in from_classes.key_rows(part, root))
    assert f"\n{kind}\n" in (ROOT / "docs" / "formats" / "index.md").read_text(encoding="utf-8")

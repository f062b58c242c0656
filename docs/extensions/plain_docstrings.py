"""Docstrings here are plain text with names in single backticks; this makes of them what reStructuredText reads as that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from sphinx.application import Sphinx

MARKS = re.compile(r"(`+[^`]*`+)|([*|\\]|(?<=\w)_(?!\w))")
"""Something in backticks, or a character that reStructuredText would read as a mark."""

COLUMNS = re.compile(r"^(?! *(?:>>>|\.\.\.) ).*\S {3,}\S")
"""Words set in columns, but for Python."""


def escape(line: str) -> str:
    """A line with the marks outside of backticks taken literally."""
    return MARKS.sub(lambda match: match[1] or f"\\{match[2]}", line)


def indent_of(line: str) -> int:
    """How many spaces a line begins with."""
    return len(line) - len(line.lstrip())


def plain(lines: Iterable[str]) -> Iterator[str]:
    """Lines of a docstring in which paragraphs that are set in, or in columns, stay as they are written.

    Sections such as "Args" are set in, but not set off by an empty line; examples of Python are literal already.
    """
    around = 0
    for is_text, group in groupby(lines, key=lambda line: bool(line.strip())):
        paragraph = list(group)
        if not is_text or paragraph[0].lstrip().startswith(">>>"):
            yield from paragraph
            continue
        indent = indent_of(paragraph[0])
        if indent > around or any(map(COLUMNS.match, paragraph)):
            yield from (f"{' ' * around}::", "", *(f"    {line}" for line in paragraph))
        else:
            yield from map(escape, paragraph)
            around = indent_of(paragraph[-1])


def read_as_plain(*event: Any) -> None:
    """Before sections such as "Args" are read; Sphinx hands the lines over last, to be changed where they are."""
    *_, lines = event
    lines[:] = plain(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Ahead of napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", read_as_plain, priority=400)
    return {"parallel_read_safe": True}

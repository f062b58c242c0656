"""The tables of a terminal: no rules but the one below the head, words on the left and numbers on the right.

No width breaks a number or a word. A table that is too wide wraps the words of its first column, at spaces and at the marks
that join an address (``-?&+,/``); then it leaves columns out, from the right, and says below which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

Cell = str | Text
_PIECES = re.compile(r"[^\s\-?&+,/]*[\s\-?&+,/]?")
_SPACES, _NAME = (2, 1), 26
"""Columns of the terminal between two columns of a table, the fewer where more columns fit so; and how wide the first one
stays while another can be left out."""


@dataclass(kw_only=True)
class Grid:
    """A table that fits the terminal that it is printed on.

    Attributes:
        columns: their heads; the first column holds words, the others numbers.
        last: heads of those that are left out after all others.
        caption: what stands below.
        rows: the cells.
    """

    columns: tuple[str, ...]
    last: Collection[str] = ()
    caption: str = ""
    rows: list[tuple[Text, ...]] = field(default_factory=list)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def add_row(self, *cells: Cell) -> None:
        """Add a row with a cell for each column; words are no markup."""
        self.rows.append(tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        least = [self._needed(at) for at in range(len(self.columns))]
        space = max(_SPACES, key=lambda space: (len(self._fitting(least, options.max_width, space)), space))
        visible = self._fitting(least, options.max_width, space)
        room = options.max_width - sum(least[at] + space for at in visible[1:])
        names = [wrapped(row[0], room) for row in self.rows]
        least[0] = min(_longest([Text("\n".join(self.columns[0].split())), *names]), room)
        table = Table(box=box.SIMPLE_HEAD, padding=(0, space - 1, 0, 0), pad_edge=False, show_edge=False)
        for at, width in zip(visible, self._widths(visible, least, options.max_width, space), strict=True):
            table.add_column(Text(self.columns[at]), justify="right" if at else "left", width=width)
        for name, row in zip(names, self.rows, strict=True):
            table.add_row(name, *(row[at] for at in visible[1:]))
        yield table
        left_out = [head for at, head in enumerate(self.columns) if at not in visible]
        note = [f"Left out, for want of width: {', '.join(left_out)}."] if left_out else []
        if self.caption or note:
            yield Text(" ".join([self.caption, *note]).strip(), style="dim italic")

    def _needed(self, at: int) -> int:
        """The least width of a column: its longest cell, and the longest word of its head."""
        return max(
            (len(word) for word in (*self.columns[at].split(), *(row[at].plain for row in self.rows))), default=0
        )

    def _fitting(self, least: Sequence[int], width: int, space: int) -> list[int]:
        """The columns that there is room for, the first always among them."""
        visible = list(range(len(least)))
        name = min(least[0], _NAME)
        for at in sorted(visible[1:], key=lambda at: (self.columns[at] in self.last, -at)):
            if name + sum(least[other] + space for other in visible[1:]) <= width:
                break
            visible.remove(at)
        return visible

    def _widths(self, visible: Sequence[int], least: Sequence[int], width: int, space: int) -> list[int]:
        """The width of each column, in which heads stand on one line as far as there is room."""
        spare = width - sum(least[at] for at in visible) - space * (len(visible) - 1)
        widths = []
        for at in visible:
            more = max(min(len(self.columns[at]) - least[at], spare), 0)
            widths.append(least[at] + more)
            spare -= more
        return widths


def _longest(texts: Sequence[Text]) -> int:
    return max((len(line) for text in texts for line in text.plain.split("\n")), default=0)


def empty_grid(*columns: str, last: Collection[str] = (), caption: str = "") -> Grid:
    """A table without rows; arguments as the attributes of `Grid`."""
    return Grid(columns=columns, last=last, caption=caption)


def wrapped(words: Text, width: int) -> Text:
    """Words in lines of a width, broken after spaces and the marks that join an address, and nowhere else where possible.

    Example:
        >>> wrapped(Text("lira-online?variance=fixed"), 14).plain
        'lira-online?\\nvariance=fixed'
    """
    ends, start = [], 0
    for piece in _PIECES.finditer(words.plain):
        while len(words.plain[start : piece.end()].rstrip()) > width:
            start = piece.start() if piece.start() > start else start + width
            ends.append(start)
    lines = words.divide(ends)
    for line in lines:
        line.rstrip()
    return Text("\n").join(lines)

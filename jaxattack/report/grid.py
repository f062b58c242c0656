"""The tables of a terminal: no rules but the one below the head, words on the left and numbers on the right."""

from __future__ import annotations

from rich import box
from rich.table import Table


def empty_grid(*columns: str) -> Table:
    """A table without rows.

    Args:
        columns: their heads; the first column holds words, the others numbers.
    """
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for index, column in enumerate(columns):
        grid.add_column(column, justify="right" if index else "left", overflow="fold")
    return grid

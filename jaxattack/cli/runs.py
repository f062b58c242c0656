"""The command `runs`."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jaxattack.audit.findings import values
from jaxattack.cli.output import RUNS, Printing, PrintingOptions, print_json, say
from jaxattack.error import InputError
from jaxattack.report.runs import Run, list_runs
from jaxattack.report.wording import size, small

_PRINTING = Printing()


def runs(folder: Path = RUNS, /, *, output: PrintingOptions = _PRINTING) -> None:
    """List the runs in a folder: what each is, when, how far it got, its figure that matters most, and its size.

    Args:
        folder: ./jaxattack-runs by default.
    """
    if not folder.exists() and folder != RUNS:
        raise InputError(f"there is no folder {folder}: give the one that holds the runs.")
    rows = list_runs(folder) if folder.exists() else ()
    if output.json:
        print_json(values(rows))
    elif rows:
        Console().print(_table(rows))
    else:
        say(output, f"There are no runs in {folder}.")


def _table(rows: tuple[Run, ...]) -> Table:
    """Two lines a run: its name, and below it what it is; a third with what is wrong."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("run")
    table.add_column("state", overflow="fold")
    table.add_column("figure")
    table.add_column("size", justify="right", no_wrap=True)
    for row in rows:
        below = " · ".join(filter(None, (row.kind, row.changed[:16].replace("T", " "), row.title)))
        text = [_line(row.name), _line(below), *([_line(row.reason)] if row.reason else [])]
        figure = "" if row.value is None else f"{row.figure}\n{small(row.value)}"
        table.add_row(Text("\n".join(text)), Text(row.state), Text(figure), size(row.octets))
    return table


def _line(text: str) -> str:
    """Text of unknown origin on a line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:400])

"""The command `attacks`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jaxattack.attacks.methods import FAMILIES, Method, catalogue
from jaxattack.cli.output import print_json
from jaxattack.report.wording import MISSING, count

_CAPTION = (
    "sees: the least that it must see of a model. queries: asked about a record and a view of it. models: the fewest that the "
    f"attacker trains like the victim. {MISSING}: the victim decides, or there is none."
)


def attacks(*families: str, json: bool = False) -> None:
    """List the attacks, signals, defences and learners: their papers, what they see, what they ask and train.

    Args:
        families: membership, extraction, inversion, reconstruction, evasion, signals, defences or learners; all by default.
        json: print them as JSON.
    """
    chosen = tuple(dict.fromkeys(families)) or tuple(FAMILIES)
    methods = catalogue(chosen)
    if json:
        print_json([asdict(method) for method in methods])
        return
    console = Console(highlight=False)
    for family in chosen:
        console.print(_table(family, [method for method in methods if method.family == family], console.width))
    console.print(_CAPTION)


def _table(family: str, methods: Sequence[Method], width: int) -> Table:
    """One family for a terminal of a width, each paper below its method's name; names stay, in narrow ones too."""
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    longest = max(len(family), *(len(method.name) for method in methods))
    narrow = width - longest - len("    queries  models")
    grid.add_column(family, min_width=longest)
    grid.add_column("sees", overflow="fold", max_width=max(narrow, len("sees")))
    grid.add_column("queries", justify="right", no_wrap=True)
    grid.add_column("models", justify="right", no_wrap=True)
    for method in methods:
        grid.add_row(
            Text(method.name), method.sees or MISSING, count(method.queries), count(method.models), style="bold"
        )
        grid.add_row(Padding(Text(method.paper), (0, 0, 0, 2)))
    return grid

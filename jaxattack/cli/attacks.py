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
from jaxattack.cli.configuration import ConfigOption
from jaxattack.cli.output import print_json
from jaxattack.report.wording import MISSING, count

_CAPTION = (
    "sees: the least that it must see of a model. queries: asked about a record and a view of it. models: the fewest that the "
    f"attacker trains like the victim. {MISSING}: the victim decides, or there is none."
)


def attacks(
    *families: str,
    json: bool = False,
    config: ConfigOption = None,  # noqa: ARG001 (read before the command runs)
) -> None:
    """List the attacks, signals, defences and learners: their papers, what they see, what they ask and train.

    Args:
        families: membership, extraction, inversion, reconstruction, evasion, ownership, poisoning, architecture, generators, signals, defences or learners; all by default.
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
    """One family for a terminal of 80 columns, each paper below its method's name.

    Figures that none of the family has are left out; where a terminal has no room for them beside the names, they stand below.
    """
    figures = {
        head: [text(getattr(method, head)) for method in methods]
        for head, text in (("sees", lambda sight: sight or MISSING), ("queries", count), ("models", count))
        if any(getattr(method, head) is not None for method in methods)
    }
    widths = [max(map(len, (head, *texts))) for head, texts in figures.items()]
    beside = max(len(family), *(len(method.name) for method in methods)) + sum(widths) + 2 * len(widths) <= width
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    grid.add_column(family)
    for head in figures if beside else ():
        grid.add_column(head, justify="left" if head == "sees" else "right", no_wrap=True)
    for number, method in enumerate(methods):
        texts = {head: texts[number] for head, texts in figures.items()}
        grid.add_row(Text(method.name), *(texts.values() if beside else ()), style="bold")
        below = [] if beside else [f"{head} {text}" for head, text in texts.items()]
        grid.add_row(Padding(Text("; ".join([*below, method.paper])), (0, 0, 0, 2)))
    return grid

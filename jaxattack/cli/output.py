"""What every command shares: where runs go, what is printed, the progress bar, and the report at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Group, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jaxattack.audit.findings import values
from jaxattack.cli.configuration import ConfigOption, write_configuration
from jaxattack.cli.credentials import known_secrets, shown_command, without_secrets

if TYPE_CHECKING:
    from jaxattack.audit.record_table import RecordTable

RUNS = Path("jaxattack-runs")


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is printed.

    Attributes:
        quiet: print nothing but errors.
        json: print the findings as JSON on standard output, and nothing else there.
        config: the command's options, which a run folder keeps; a file of them on the command line.
    """

    quiet: bool = False
    json: bool = False
    config: ConfigOption = None


def flat(name: str, *, order: int = 0) -> Parameter:
    """A configuration whose fields are options of their own, under a heading; the highest order comes last."""
    return Parameter(name="*", group=Group.create_ordered(name, sort_key=order))


OutputOptions = Annotated[Output, flat("Output", order=1)]


def print_json(value: Any) -> None:
    """Print a plain value for programs."""
    print(json.dumps(value, indent=1))


def say(output: Output, text: str, *, standard_error: bool = True) -> None:
    """Tell a person something, beside the progress or on standard output."""
    if not output.quiet:
        Console(stderr=standard_error, highlight=False, soft_wrap=True).print(text, markup=False)


@contextmanager
def progress(output: Output) -> Iterator[Any]:
    """A bar a phase, with the time that remains; standard error, so that output can be piped."""
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=output.quiet) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, count: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=count, total=total)

        yield show


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say, where a person stops the command, that it goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        say(Output(), f"Stopped. What was finished is kept in {folder}: the same command goes on from there.")
        raise


def keep_options(folder: Path, output: Output) -> list[Path]:
    """Write the options of the command beside what it made; nothing where no command line asked for it."""
    return [] if output.config is None else [write_configuration(folder, output.config)]


def publish(
    folder: Path,
    findings: Any,
    output: Output,
    *,
    pictures: Mapping[int, np.ndarray] | None = None,
    records: RecordTable | None = None,
    secrets: Iterable[str] = (),
) -> None:
    """Write the report, print what a person reads of it or its JSON on standard output, and say where everything is.

    Args:
        folder: of the report.
        findings: what is reported, as `jaxattack.report.write` takes it.
        output: what is printed.
        pictures: of records, by the numbers that the findings give them.
        records: of a membership audit.
        secrets: what must not be in it, beside those of the command line and the environment.
    """
    from jaxattack import report as pages  # drawing takes longer to import than the help takes to print

    arguments = sys.argv[1:]
    document = without_secrets(values(findings), (*secrets, *known_secrets(arguments)))
    document |= {"command": shown_command(arguments)}
    files = pages.write(folder, document, pictures, records)
    files += keep_options(folder, output)
    if output.json:
        print_json(pages.read(folder))
    elif not output.quiet:
        Console().print(pages.table(document))
    for text in (*document.get("notes", ()), pages.headline(document)):
        say(output, text, standard_error=output.json)
    say(output, f"Wrote {len(files)} files to {folder}; open {folder / 'report.html'}")

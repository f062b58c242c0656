"""What every command shares: where runs go, what is printed, the progress bar, and the report at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Group, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jaxattack.audit.findings import values
from jaxattack.cli.configuration import ConfigOption, write_configuration
from jaxattack.cli.credentials import Credentials, known_secrets, shown_command, without_secrets
from jaxattack.cli.limits import check_limits, limits_from, violations
from jaxattack.cli.options import Words
from jaxattack.cli.status import ABOVE_LIMIT, UNFINISHED, end
from jaxattack.error import InputError

if TYPE_CHECKING:
    from jaxattack.audit.record_table import RecordTable

RUNS = Path("jaxattack-runs")


@dataclass(frozen=True, kw_only=True)
class Printing:
    """What is printed.

    Attributes:
        quiet: print nothing but errors.
        json: print the findings as JSON on standard output, and nothing else there.
        config: the command's options, which a run folder keeps; a file of them on the command line.
    """

    quiet: bool = False
    json: bool = False
    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class Output(Printing):
    """What is printed of a report, and what it may say.

    Attributes:
        fail_above: end with exit status 3, when all is written, where a figure of the report is above a limit, as
            tpr@0.001=0.02 auc=0.6. Of a membership audit tpr@RATE, auc and balanced-accuracy of the attack that the
            headline speaks of, as estimated; tpr-lower@RATE and auc-lower are the lower ends of its intervals. Of one
            target discoveries too, as a share of the records. Of a matrix the largest tpr@RATE, auc, agreement and
            recognition of all defended columns. Of an extraction agreement, of an inversion recognition, of an evasion
            success, of generators the largest tpr@RATE, auc and auc-lower of all attacks, of an audit of ownership false-accusations, of a poisoning success and drop (of accuracy), of a
            reconstruction leak and leak-lower, and epsilon, the lower bound.

    Raises:
        InputError: a word that is no limit.
    """

    fail_above: Words = ()

    def __post_init__(self) -> None:
        limits_from(self.fail_above)

    def check(self, kind: str) -> None:
        """Refuse, before anything is done, a limit on a figure that a kind of report has not.

        Raises:
            InputError: it lists those that there are.
        """
        if self.fail_above:
            from jaxattack.report.measure import MEASURES

            check_limits(limits_from(self.fail_above), MEASURES[kind])


def flat(name: str, *, order: int = 0) -> Parameter:
    """A configuration whose fields are options of their own, under a heading; the highest order comes last."""
    return Parameter(name="*", group=Group.create_ordered(name, sort_key=order))


OutputOptions = Annotated[Output, flat("Output", order=1)]
PrintingOptions = Annotated[Printing, flat("Output", order=1)]
CredentialOptions = Annotated[Credentials, flat("Who asks")]


def print_json(value: Any) -> None:
    """Print a plain value for programs."""
    print(json.dumps(value, indent=1))


def say(output: Printing, text: str, *, standard_error: bool = True) -> None:
    """Tell a person something, beside the progress or on standard output."""
    if not output.quiet:
        Console(stderr=standard_error, highlight=False, soft_wrap=True).print(text, markup=False)


class _Stopped(KeyboardInterrupt):
    """Ctrl-C, after what is kept was told."""


@contextmanager
def progress(output: Printing) -> Iterator[Any]:
    """A bar a phase, with the time that remains; standard error, so that output can be piped.

    Where a person stops what is within, and it is not `resumable`, that nothing is kept is told.
    """
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True), disable=output.quiet)
    tasks: dict[str, Any] = {}

    def show(what: str, count: int, total: int) -> None:
        if not tasks:
            bars.start()  # without a bar its end would be an empty line
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=count, total=total)
        if what == "models" and 0 < count < total:
            _import_report()

    try:
        yield show
    except _Stopped:
        raise
    except KeyboardInterrupt:
        say(Printing(), "Stopped. Nothing is kept: the same command begins anew.")
        raise
    finally:
        if tasks:
            bars.stop()


@cache
def _import_report() -> None:
    """Import in a thread what a report is drawn with: while the devices train, the interpreter waits for them."""

    def load() -> None:
        with suppress(ImportError):  # who draws says it
            import_module("jaxattack.report.folder")

    Thread(target=load).start()


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say, where a person stops the command, that it goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        say(Printing(), f"Stopped. What was finished is kept in {folder}: the same command goes on from there.")
        raise _Stopped from None


def keep_options(folder: Path, output: Printing) -> list[Path]:
    """Write the options of the command beside what it made; nothing where no command line asked for it."""
    return [] if output.config is None else [write_configuration(folder, output.config)]


def refuse_other_report(folder: Path, kind: str) -> None:
    """Refuse, before anything is done, a folder whose report is of another kind: its figures would lie beside the new ones.

    Raises:
        InputError: it names the kind that is there; or the folder is a file.
    """
    from jaxattack.report.document import read

    if folder.exists() and not folder.is_dir():
        raise InputError(f"out is {folder}, which is a file: give a folder.")
    there = kind
    with suppress(InputError):  # what cannot be read is written anew
        there = read(folder)["kind"]
    if there != kind:
        raise InputError(
            f"out is {folder}, which holds a report on {there}, and this one is on {kind}: give another folder."
        )


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

    It is the last that a command does: where a figure is above its limit or the attack stopped early, the command ends here,
    with the exit status of that.

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
    earlier = (folder / "report.json").exists()
    files = pages.write(folder, document, pictures, records)
    files += keep_options(folder, output)
    show(folder, document, len(files), output, earlier=earlier)


def show(folder: Path, document: Mapping[str, Any], files: int, output: Output, *, earlier: bool) -> None:
    """Print a report that was written, and end as `publish` says.

    Args:
        folder: of the report.
        document: its findings.
        files: how many were written.
        output: what is printed.
        earlier: whether a report was there before.
    """
    from jaxattack import report as pages  # as above

    if output.json:
        print_json(pages.read(folder))
    elif not output.quiet:
        Console().print(pages.table(document))
    for text in (*document.get("notes", ()), pages.headline(document)):
        say(output, text, standard_error=output.json)
    place = ", in the place of the report that was there" if earlier else ""
    say(output, f"Wrote {files} files to {folder}{place}; open {folder / 'report.html'}")
    if above := violations(limits_from(output.fail_above), pages.measures(document)):
        end(ABOVE_LIMIT, " ".join(above))
    if reason := pages.unfinished(document):
        end(UNFINISHED, f"the attack did not finish: {reason}")

"""The command `report`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import TemplateError

from jaxattack.attacks.membership import ATTACKS, PROTOCOLS, by_label
from jaxattack.audit import rescore
from jaxattack.audit.scoring import open_run, records_of
from jaxattack.cli.figure import Alone, AloneOptions, write_alone
from jaxattack.cli.options import Words
from jaxattack.cli.output import Output, OutputOptions, keep_options, progress, publish, refuse_other_report, show
from jaxattack.cli.values import Protocol, attacks_from, declared_from
from jaxattack.report.wording import quantity
from jaxattack.types import InputError, MembershipAttack

_OUTPUT, _ALONE = Output(), Alone()


def report(
    run: Path,
    /,
    *,
    attacks: Words = (),
    declare: str | None = None,
    protocol: Protocol = PROTOCOLS[0],
    all_scores: bool = False,
    alone: AloneOptions = _ALONE,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Write the report of a folder anew, or one of its figures for a paper; nothing is trained.

    The models of a membership run are attacked again, as far as the run went. Any other folder's page and figures are drawn
    from its report.json.

    Examples:

        jaxattack report RUN --attacks lira-online rmia-online --out two-attacks

        jaxattack report RUN --figure roc --attacks lira-online loss --names LiRA "loss threshold" --format pdf

    Args:
        run: the folder of a run, or of any report.
        attacks: the attacks to run, or to draw; all by default.
        declare: one of them, named before it is known which is the strongest, for the headline to speak of.
        protocol: independent, or leave-one-out as published: which models are a target's references.
        all_scores: write what every attack says of every record to scores.npz, and not only what the claimed one says:
            8 bytes for each attack, model and record.
        out: the report's folder, by default the same, which a report of fewer attacks is refused; or the folder of a figure, by
            default the one that the command runs in.
    """
    if alone.figure is not None:
        _refuse_beside_figure(declare=declare, protocol=protocol != PROTOCOLS[0], all_scores=all_scores)
        alone.refuse(output)
        document = _document(run)
        with _as_written(run):
            write_alone(alone, document, attacks, out, output, _pictures(run, document))
        return
    if alone.names:
        raise InputError(f"names is {' '.join(alone.names)} and no figure is named: name one, as --figure roc.")
    if (run / "run.json").exists():
        output.check("membership")
        attack_values = attacks_from(attacks or ATTACKS, protocol)
        declared = declared_from(declare, protocol)
        if out is None or out.resolve() == run.resolve():
            _refuse_loss(run, attack_values)
        else:
            refuse_other_report(out, "membership")
        with progress(output) as report_progress:
            result = rescore(run, attack_values, declare=declared, all_scores=all_scores, progress=report_progress)
        publish(out or run, result.findings, output, pictures=result.pictures, records=result.records)
        return
    if attacks or declare or all_scores or protocol != PROTOCOLS[0]:
        raise InputError(
            f"{run} is no membership run, and only its figures and its page can be made again: leave attacks, declare, "
            "protocol and all-scores out."
        )
    _draw_anew(run, out or run, output)


def _refuse_beside_figure(**options: object) -> None:
    """Refuse what is of a report, where a figure of one that is there is drawn.

    Raises:
        InputError: it names the first that is given.
    """
    for name, value in options.items():
        if value:
            name = name.replace("_", "-")
            raise InputError(
                f"{name} is given and figure too, which is drawn from the report that is there: leave {name} out."
            )


def _document(folder: Path) -> dict[str, Any]:
    """The findings in a folder.

    Raises:
        InputError: there are none.
    """
    from jaxattack import report as pages  # drawing takes longer to import than the help takes to print

    if (folder / "report.json").exists():
        return pages.read(folder)
    if (folder / "cells").is_dir():
        raise InputError(
            f"{folder} is of a matrix: give its command again with --out {folder}, and only what it lacks is done."
        )
    if (folder / "run.json").exists():
        raise InputError(f"{folder} has no report yet: write it first, with jaxattack report {folder}.")
    raise InputError(f"{folder} holds neither a run nor a report: give the folder of one.")


def _draw_anew(folder: Path, out: Path, output: Output) -> None:
    """Make the page and the figures of a report again, from the findings and the pictures that are there."""
    from jaxattack import report as pages  # as above

    document = _document(folder)
    output.check(document["kind"])
    refuse_other_report(out, document["kind"])
    with _as_written(folder):
        earlier = (out / "report.json").exists()
        files = pages.write(out, document, pages.read_pictures(folder), lossless=out.resolve() == folder.resolve())
        show(out, document, len(files) + len(keep_options(out, output)), output, earlier=earlier)


@contextmanager
def _as_written(folder: Path) -> Iterator[None]:
    """Refuse findings that lack what is drawn of them, or have something else in its place.

    Raises:
        InputError: it says what is wrong.
    """
    try:
        yield
    except InputError:
        raise
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        AssertionError,
        ArithmeticError,
        TemplateError,
    ) as error:
        raise InputError(
            f"{folder / 'report.json'} is not as this version writes it ({error!r:.60}): make it again with the command that did."
        ) from error


def _refuse_loss(folder: Path, attacks: tuple[MembershipAttack, ...]) -> None:
    """Refuse to put a report of fewer attacks in the place of one of more.

    Raises:
        InputError: it names those that would be lost.
    """
    from jaxattack import report as pages  # as above

    try:
        document = pages.read(folder)
        there = [attack["name"] for attack in document["attacks"]] if document["kind"] == "membership" else []
    except (InputError, KeyError, TypeError):
        return  # nothing that could be lost
    lacking = [name for name in there if name not in by_label(attacks)]
    if lacking:
        examples = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        raise InputError(
            f"{folder} holds a report of {quantity(len(there), 'attack')}, and {len(lacking)} of them ({examples}) would be lost: give --out for "
            "a report of fewer, or name these too."
        )


def _pictures(folder: Path, document: Mapping[str, Any]) -> dict[int, np.ndarray]:
    """The pictures that a figure may show: those beside the report, or the records of a run."""
    from jaxattack import report as pages  # as above

    if document["kind"] != "membership" or not (folder / "run.json").exists():
        return pages.read_pictures(folder)
    run, _ = open_run(folder)
    records = records_of(run)
    if records is None or not records.images:
        return {}
    return {entry["record"]: records.x[entry["record"]] for entry in document["vulnerable"]["records"]}

"""The command `report`."""

from __future__ import annotations

from pathlib import Path

from jaxattack.attacks.membership import ATTACKS, PROTOCOLS
from jaxattack.audit import rescore
from jaxattack.cli.options import Words
from jaxattack.cli.output import Output, OutputOptions, progress, publish
from jaxattack.cli.values import Protocol, attacks_from, declared_from
from jaxattack.types import InputError

_OUTPUT = Output()


def report(
    run: Path,
    /,
    *,
    attacks: Words = tuple(ATTACKS),
    declare: str | None = None,
    protocol: Protocol = PROTOCOLS[0],
    all_scores: bool = False,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Attack the models of a run folder again and write its report anew; nothing is trained.

    A run that was stopped is scored as far as it went.

    Args:
        run: the run folder.
        attacks: the attacks to run; all by default.
        declare: one of them, named before it is known which is the strongest, for the headline to speak of.
        protocol: independent, or leave-one-out as published: which models are a target's references.
        all_scores: write what every attack says of every record to scores.npz, and not only what the claimed one says:
            8 bytes for each attack, model and record.
        out: the report's folder; the run folder by default.
    """
    used = attacks_from(attacks, protocol)
    declared = declared_from(declare, protocol)
    if (run / "cells").is_dir() and not (run / "run.json").exists():
        raise InputError(
            f"{run} is of a matrix: give its command again with --out {run}, and only what it lacks is done."
        )
    with progress(output) as report_progress:
        result = rescore(run, used, declare=declared, all_scores=all_scores, progress=report_progress)
    publish(out or run, result.findings, output, pictures=result.pictures, records=result.records)

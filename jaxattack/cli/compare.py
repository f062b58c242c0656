"""The command `compare`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from jaxattack.attacks.membership import ATTACKS, PROTOCOLS
from jaxattack.audit.comparison import compare as compare_audits
from jaxattack.audit.comparison.compare import names_of
from jaxattack.audit.findings import values
from jaxattack.cli.figure import Alone, AloneOptions, write_alone
from jaxattack.cli.options import Words
from jaxattack.cli.output import RUNS, Output, OutputOptions, progress, publish, refuse_other_report
from jaxattack.cli.values import Protocol, attacks_from, declared_from
from jaxattack.error import InputError

_OUTPUT, _ALONE = Output(), Alone()


def compare(
    first: Path,
    /,
    *others: Path,
    attacks: Words = (),
    declare: str | None = None,
    protocol: Protocol = PROTOCOLS[0],
    alone: AloneOptions = _ALONE,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Put audits side by side: what attacks find of each, and how far that is from the first; nothing is trained.

    Where they share records, or models with the same members, differences are paired.

    Examples:

        jaxattack compare plain defended --names "no defence" "round to 2 decimals"

        jaxattack compare plain defended --figure roc --attacks lira-online --format pdf

    Args:
        first: what the others are compared with: a run folder, an .npz of observations, or the folder of a matrix or of any
            other report, of which only figures can be compared.
        others: up to five of the same kind.
        attacks: the attacks to run on each; all by default.
        declare: one of them, named before it is known which is the strongest, for the headline and the curves to be of.
        protocol: independent, or leave-one-out as published: which models are a target's references.
        out: the report's folder, by default one in ./jaxattack-runs named after the audits; or the folder of a figure, by
            default the one that the command runs in.
    """
    output.check("compare")
    alone.check("compare")
    if alone.figure is not None:
        alone.refuse(output)
    attack_values = attacks_from(attacks or ATTACKS, protocol)
    audits = (first, *others)
    folder = out or RUNS / _named(audits, alone.names)
    if alone.figure is None:
        refuse_other_report(folder, "compare")
    with progress(output) as report_progress:
        result = compare_audits(
            *audits,
            names=alone.names,
            attacks=attack_values,
            declare=declared_from(declare, protocol),
            progress=report_progress,
        )
    findings = values(result.findings)
    if findings["subject"] != "membership":
        _refuse_attacks(findings["subject"], attacks=attacks, declare=declare, protocol=protocol != PROTOCOLS[0])
    if alone.figure is not None:
        curves = attacks if alone.figure != "roc" or declare is None else (declare,)
        write_alone(alone, findings, curves, out, output)
        return
    publish(folder, result.findings, output)


def _refuse_attacks(subject: str, **options: object) -> None:
    """Refuse what is of attacks, where findings are compared as they are.

    Raises:
        InputError: it names the first that is given.
    """
    for name, value in options.items():
        if value:
            kind = "matrices" if subject == "matrix" else "reports"
            raise InputError(
                f"{name} is given and {kind} are compared, whose attacks are not run again: leave {name} out."
            )


def _named(audits: tuple[Path, ...], names: tuple[str, ...]) -> str:
    """The name of a comparison's folder: the audits, and a digest of where they are."""
    words = "-".join("".join(c if c.isalnum() else "-" for c in name) for name in names_of(audits, names))
    digest = hashlib.sha256("\n".join(str(audit.resolve()) for audit in audits).encode()).hexdigest()
    return f"compare-{words[:60].strip('-')}-{digest[:8]}"

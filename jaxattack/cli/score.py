"""The command `score`."""

from __future__ import annotations

from pathlib import Path

from jaxattack.attacks.membership import PROTOCOLS, under_protocol
from jaxattack.audit import read_observations
from jaxattack.audit.membership_scores import SCORES
from jaxattack.audit.observations import readable, score_records
from jaxattack.cli.options import Words
from jaxattack.cli.output import Output, OutputOptions, progress, publish
from jaxattack.cli.values import Protocol, attacks_from, declared_from
from jaxattack.types import InputError

_OUTPUT = Output()


def score(
    observations: Path,
    /,
    *,
    attacks: Words = (),
    declare: str | None = None,
    protocol: Protocol = PROTOCOLS[0],
    all_scores: bool = False,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Attack models that any framework trained: an .npz of logits, probability or phi, member and label.

    `member` is 0 or 1 [model, record], `label` a number or a name [record], `logits` or `probability` [model, record,
    class] or [model, record, query, class]; or `phi` = log p_y - log(1 - p_y) [model, record] or [model, record, query].

    Args:
        observations: the .npz file.
        attacks: the attacks to run; by default all whose signals are there.
        declare: one of them, named before it is known which is the strongest, for the headline to speak of.
        protocol: independent, or leave-one-out as published: which models are a target's references.
        all_scores: write what every attack says of every record to scores.npz, and not only what the claimed one says:
            8 bytes for each attack, model and record.
        out: the report's folder; by default beside the file.
    """
    folder = out or observations.with_suffix(".report")
    declared_attacks = attacks_from(attacks, protocol)
    read = read_observations(observations, declared_attacks)
    if (folder / SCORES).resolve() == observations.resolve():
        raise InputError(
            f"out is {folder}, where the report's {SCORES} would overwrite {observations}: choose another."
        )
    used = declared_attacks or tuple(under_protocol(attack, protocol) for attack in readable(read))
    declared = declared_from(declare, protocol)
    with progress(output) as report_progress:
        result = score_records(
            read, used, declare=declared, name=observations.name, all_scores=all_scores, progress=report_progress
        )
    publish(folder, result.findings, output, records=result.records)

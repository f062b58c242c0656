"""The command `score`."""

from __future__ import annotations

from pathlib import Path

from jaxattack.attacks.membership import PROTOCOLS, under_protocol
from jaxattack.audit import read_observations
from jaxattack.audit.membership_scores import SCORES
from jaxattack.audit.observation_scoring import readable, score_records
from jaxattack.audit.target.scoring import score_target
from jaxattack.cli.options import Words
from jaxattack.cli.output import Output, OutputOptions, progress, publish, refuse_other_report
from jaxattack.cli.target import VerdictOptions, Verdicts
from jaxattack.cli.values import Protocol, attacks_from, declared_from
from jaxattack.types import InputError

_OUTPUT, _VERDICTS = Output(), Verdicts()


def score(
    observations: Path,
    /,
    *,
    attacks: Words = (),
    declare: str | None = None,
    protocol: Protocol = PROTOCOLS[0],
    all_scores: bool = False,
    target: int | None = None,
    verdicts: VerdictOptions = _VERDICTS,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Attack models that any framework trained: an .npz of logits, probability or phi, member and label; or a folder of .npy files.

    `member` is 0 or 1 [model, record], `label` a number or a name [record], `logits` or `probability` [model, record,
    class] or [model, record, query, class]; or `phi` = log p_y - log(1 - p_y) [model, record] or [model, record, query].

    With --target one model alone is attacked, and each record gets a score, a p-value and a verdict; where it is not known
    whether that model was trained on a record, `member` is -1 in its row.

    Args:
        observations: the .npz file, or a folder of member.npy, label.npy and others: what is too large for memory is read from
            there as it is needed.
        attacks: the attacks to run; by default all whose signals are there.
        declare: one of them, named before it is known which is the strongest, for the headline to speak of.
        protocol: independent, or leave-one-out as published: which models are a target's references.
        all_scores: write what every attack says of every record to scores.npz, and not only what the claimed one says:
            8 bytes for each attack, model and record.
        target: attack this model alone, its row counted from 0; the others are its references.
        out: the report's folder; by default FILE.report beside the file, and FILE.target-N.report of one target.
    """
    output.check("membership" if target is None else "target")
    _refuse_useless(target, verdicts, all_scores)
    if observations.is_dir():
        observations = observations.resolve()  # . and .. are no names
    named = observations.stem if observations.is_file() else observations.name
    folder = out or observations.parent / (f"{named}.report" if target is None else f"{named}.target-{target}.report")
    refuse_other_report(folder, "membership" if target is None else "target")
    declared_attacks = attacks_from(attacks, protocol)
    read = read_observations(observations, declared_attacks, target=target)
    if (folder / SCORES).resolve() == observations.resolve():
        raise InputError(
            f"out is {folder}, where the report's {SCORES} would overwrite {observations}: choose another."
        )
    runnable = declared_attacks or tuple(under_protocol(attack, protocol) for attack in readable(read))
    declared = declared_from(declare, protocol)
    name = observations.name
    if target is not None:
        with progress(output) as report_progress:
            findings = score_target(
                read, target, runnable, terms=verdicts.terms(), declare=declared, name=name, progress=report_progress
            )
        return publish(folder, findings, output)
    with progress(output) as report_progress:
        result = score_records(
            read, runnable, declare=declared, name=name, all_scores=all_scores, progress=report_progress
        )
    return publish(folder, result.findings, output, records=result.records)


def _refuse_useless(target: int | None, verdicts: Verdicts, all_scores: bool) -> None:
    """Refuse what is of one target where there is none, and the other way round.

    Raises:
        InputError: it names the option.
    """
    if target is None and verdicts != _VERDICTS:
        raise InputError(
            "fpr or calibrate is given, which are of one target, and no target: give target, as 0, or neither."
        )
    if target is not None and all_scores:
        raise InputError("all_scores is given and target too, whose report has its own records: leave all_scores out.")

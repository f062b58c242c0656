"""Options of an audit of one target, which `membership` and `score` share, and what `membership` does with them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from jaxattack.audit import MembershipAudit, Victim, open_victim
from jaxattack.audit.model_source import source_of
from jaxattack.audit.target import TargetTerms
from jaxattack.audit.target.answer_files import read_membership
from jaxattack.audit.target.answers import Scale
from jaxattack.audit.target.run import audit_target
from jaxattack.audit.target.terms import Calibration
from jaxattack.audit.victim_names import TAKES, kind_of, require_trained
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.options import Words
from jaxattack.cli.output import RUNS, Output, flat, progress, publish, resumable
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.remote.address import mask_url
from jaxattack.training import Placement
from jaxattack.types import InputError, Level, config

_GROUP = flat("One target")


@config
class Verdicts:
    """What is said of the records of one target; without --target of no use.

    Attributes:
        fpr: the false-positive rate of the verdicts: a record is called a member where its p-value is at most this.
        calibrate: with what scores are compared: non-members, those of the target's known non-members; references, those of
            references on records that they were not trained on; record, phi of each record's own references. auto: the
            first where there are enough for the rate, or references that are not like the target; else the second.
    """

    fpr: float = 0.01
    calibrate: Calibration = "auto"

    def terms(self, budget: int | None = None) -> TargetTerms:
        """The same as terms of an audit."""
        return TargetTerms(fpr=self.fpr, calibration=self.calibrate, budget=budget)


@dataclass(frozen=True, kw_only=True)
class OneTarget:
    """One model that exists already, whose records are to be told members or not.

    Attributes:
        target: attack this model alone: a folder of `jaxattack train`, a .skops or .onnx file, a prediction API's address, or
            an .npz of its logits, probability or prediction. The models that are trained are its references then.
        members: who is known to be a member: a .npy of 1 and 0 a record, -1 where it is not known, or of the members' numbers.
            Without it, a folder tells its own; of others no AUC is known, and references calibrate.
        references: models that others trained, an observations file as of `score`, in place of those trained here.
        also: other architectures: the same attack with references of each, to see what a wrong guess would find.
        level: how much the target answers: label, probability or logit; as fully as it does by default.
        target_scale: on what scale the target takes pictures: data, the numbers as they are; unit, bytes as 0 to 1; signed,
            bytes as -1 to 1; auto: of a file, that on which it fits the records best, and data elsewhere.
        budget: questions to the target, at most.
        price: of a question, in dollars.
        factory: package.module:factory, where a model folder names that: code, which is imported only if you write it here.
    """

    target: str | None = None
    members: Path | None = None
    references: Path | None = None
    also: Words = ()
    level: Level | None = None
    target_scale: Scale = "auto"
    budget: int | None = None
    price: float | None = None
    factory: str | None = None

    def refuse_useless(self, verdicts: Verdicts, others: Mapping[str, Any]) -> None:
        """Refuse what is of one target where there is none, and what is of a sweep where there is one.

        Args:
            verdicts: options of one target too.
            others: options of a sweep alone, by name; None where they are not given.

        Raises:
            InputError: it names the option.
        """
        if self.target is None:
            given = [name for name, value in asdict(self).items() if value != getattr(_NONE, name)]
            given += [name for name, value in asdict(verdicts).items() if value != getattr(_VERDICTS, name)]
            if given:
                raise InputError(
                    f"{given[0]} is given, which is of one target, and no target: give target, or leave it out."
                )
        for name, value in others.items():
            if self.target is not None and value:
                raise InputError(f"{name} is given and target too, which is one model: leave {name} out.")


VerdictOptions = Annotated[Verdicts, _GROUP]
TargetOptions = Annotated[OneTarget, _GROUP]
_NONE, _VERDICTS = OneTarget(), Verdicts()


def run_target(
    one: OneTarget,
    verdicts: Verdicts,
    audit: MembershipAudit,
    credentials: Credentials,
    settings: Mapping[str, Any],
    *,
    data: str | None,
    placement: Placement,
    cluster: str | None,
    output: Output,
    out: Path | None,
) -> None:
    """Audit one target, and write its report.

    Args:
        one: what is attacked.
        verdicts: what is said of its records.
        audit: how references are trained, on the records that were named.
        credentials: for a prediction API.
        settings: that decide the references, for the folder's name.
        data: the records, where somebody named them; a model folder has its own.
        placement: how training is cut.
        cluster: a Ray cluster to train on.
        output: what is printed.
        out: the folder.
    """
    assert one.target is not None
    key = credentials.read() if kind_of(one.target) == "service" else None
    target = _opened(one, audit, data, key)
    if isinstance(target, Victim) and target.member is not None and target.dataset is not None:
        audit = replace(audit, dataset=target.dataset)
    known = None if one.members is None else read_membership(one.members, len(audit.dataset))
    folder = out or RUNS / _slug(one.target, settings)
    with redirect_stdout(sys.stderr), progress(output) as report_progress, resumable(folder):
        result = audit_target(
            folder,
            target,
            audit,
            known=known,
            terms=verdicts.terms(one.budget),
            scale=one.target_scale,
            references=one.references,
            also=tuple(map(source_of, one.also)),
            placement=placement,
            cluster=cluster,
            progress=report_progress,
        )
    publish(folder, result.findings, output, secrets=(key,) if key else ())


def _opened(one: OneTarget, audit: MembershipAudit, data: str | None, key: str | None) -> Victim | Path:
    """The target: a victim, or the file of its answers.

    Raises:
        InputError: no such target.
    """
    assert one.target is not None
    if Path(one.target).suffix == ".npz":
        return Path(one.target)
    require_trained(one.target)
    kind = kind_of(one.target)
    return open_victim(
        one.target,
        data=data if kind == "folder" else audit.dataset.name,
        level=one.level,
        seed=audit.seed if "seed" in TAKES[kind] else None,
        price=one.price,
        key=key,
        factory=one.factory,
    )


def _slug(target: str, settings: Mapping[str, Any]) -> str:
    words = "".join(c if c.isalnum() else "-" for c in Path(mask_url(target)).stem).strip("-")
    digest = fingerprint_of([target, {name: str(value) for name, value in settings.items()}])
    return f"target-{words}-{digest[:8]}"

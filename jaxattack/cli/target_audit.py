"""What `membership` does where a target is named."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxattack.audit import MembershipAudit, Victim, open_victim
from jaxattack.audit.model_source import source_of
from jaxattack.audit.target.answer_files import read_membership
from jaxattack.audit.target.run import audit_target
from jaxattack.audit.victim_names import TAKES, kind_of, require_trained
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.output import RUNS, Output, progress, publish, resumable
from jaxattack.cli.target import OneTarget, Verdicts
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.remote.address import mask_url
from jaxattack.training import Placement


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
    key = credentials.read(service=kind_of(one.target) == "service")
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
        data=data if kind == "folder" else None,  # others are asked about the records of the audit
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

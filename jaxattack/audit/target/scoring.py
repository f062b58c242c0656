"""A row of a file of observations as the target, the others as its references (`jaxattack.audit.observations`).

In the row of the target `member` may be -1, where it is not known whether the model was trained on the record.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jaxattack.attacks.membership import by_label
from jaxattack.audit.environment import device, peak_memory
from jaxattack.audit.findings.target_audit import CostFindings, Seconds, TargetAuditFindings
from jaxattack.audit.infinite_signals import bound_observations
from jaxattack.audit.observation_scoring import readable, unread_records
from jaxattack.audit.target.answer_files import as_membership
from jaxattack.audit.target.assembly import Occasion, assemble
from jaxattack.audit.target.judgement import judge
from jaxattack.audit.target.terms import UNKNOWN, Membership, TargetTerms
from jaxattack.types import InputError, MembershipAttack, Observations, Progress, check_arguments

_TERMS = TargetTerms()


@check_arguments("observations", "target", "terms", "name", "progress")
def score_target(
    observations: Observations,
    target: int = 0,
    attacks: Sequence[MembershipAttack] | None = None,
    *,
    known: Membership | None = None,
    terms: TargetTerms = _TERMS,
    declare: MembershipAttack | None = None,
    name: str = "observations",
    progress: Progress | None = None,
) -> TargetAuditFindings:
    """Attack one model of some, the others being its references.

    Args:
        observations: at least five models.
        target: which one.
        attacks: which; by default every attack whose signals are there.
        known: of the target's members, as `jaxattack.audit.target.answer_files.as_membership` takes them; by default what the
            observations say of them.
        terms: of the verdicts.
        declare: the attack chosen beforehand; by default the strongest on the references.
        name: for the title.
        progress: called as work is done.

    Raises:
        InputError: fewer models, no such target, no members of these records, or an attack that cannot score these observations.
    """
    begin = time.perf_counter()
    if observations.models < 5:
        raise InputError(
            f"{name} has {observations.models} models, one of them the target: give at least 4 references beside it."
        )
    _require_model(target, observations.models, name)
    attacks = readable(observations) if attacks is None else attacks
    observations = bound_observations(name, observations)
    if observations.unknown is not None:
        theirs = np.arange(observations.models)[:, None] != target
        replace(observations, unknown=observations.unknown & theirs).require_known()
    own = observations.take(slice(target, target + 1))
    references = observations.take(np.flatnonzero(np.arange(observations.models) != target))
    truth = own.membership(0) if known is None else as_membership(known, observations.records, "known")
    judgement = judge(
        own, references, truth, attacks, terms, declare=declare, same_sweep=_all_known(truth),
        unread=unread_records(observations), progress=progress,
    )  # fmt: skip
    queries = next(iter(observations.signals.values())).shape[2]
    seconds = time.perf_counter() - begin
    cost = CostFindings(
        queries=observations.records * queries, kept=0, price=0.0, models=0, gradient_steps=0,
        seconds=Seconds(score=seconds, total=seconds), memory_bytes=peak_memory(), device=device(),
    )  # fmt: skip
    occasion = Occasion(
        title=f"{name} · model {target} · {references.models} references",
        origin="the same file",
        what=name,
        ids=observations.ids,
        notes=observations.notes,
        config={
            "observations": name,
            "target": target,
            "attacks": [*by_label(attacks)],
            "fpr": terms.fpr,
            "calibration": terms.calibration,
        },
    )
    return assemble(judgement, own, references, terms, occasion, cost)


def _require_model(target: int, models: int, name: str) -> None:
    if not 0 <= target < models:
        raise InputError(f"target is {target} and {name} has {models} models: give 0 to {models - 1}.")


def _all_known(known: Membership) -> bool:
    return bool((known != UNKNOWN).all())

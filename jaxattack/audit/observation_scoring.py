"""Observations of models from any framework (`jaxattack.audit.observations`), attacked: the function `jaxattack.score`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from jaxattack.attacks.membership import ATTACKS, by_label
from jaxattack.audit.environment import device, environment, peak_memory
from jaxattack.audit.evaluation import evaluate_records
from jaxattack.audit.findings.membership import CostFindings, MembershipFindings, Seconds
from jaxattack.audit.infinite_signals import bound_observations
from jaxattack.audit.scoring import MembershipResult
from jaxattack.types import InputError, MembershipAttack, Observations, Progress, check_arguments


def unread_records(observations: Observations) -> Bool[np.ndarray, "record"]:
    """The records of which some signal is NaN or infinite under some model."""
    unread = np.zeros(observations.records, bool)
    for name in observations.signals:
        for one in observations.signal(name):
            unread |= ~np.isfinite(one).reshape(observations.records, -1).all(axis=1)
    return unread


def readable(observations: Observations) -> tuple[MembershipAttack, ...]:
    """The registered attacks all of whose signals were observed."""
    return tuple(
        attack for attack in ATTACKS.values() if all(one.name in observations.signals for one in attack.signals)
    )


def score(
    observations: Observations,
    attacks: Sequence[MembershipAttack] | None = None,
    *,
    declare: MembershipAttack | None = None,
    name: str = "observations",
    progress: Progress | None = None,
) -> MembershipFindings:
    """The findings of `score_records`, which has the same arguments and keeps scores too.

    Example:
        >>> random = np.random.default_rng(0)
        >>> member = ja.designs.Halves()(models=8, records=40, seed=0)
        >>> phi = (member * 3 + random.normal(size=member.shape))[:, :, None]
        >>> observations = ja.Observations(signals={"phi": phi}, member=member, label=np.zeros(40, int))
        >>> ja.score(observations, (ja.attacks.LiRA(online=True),)).attacks[0].auc > 0.8
        True
    """
    return score_records(observations, attacks, declare=declare, name=name, progress=progress).findings


@check_arguments("observations", "name", "progress")
def score_records(
    observations: Observations,
    attacks: Sequence[MembershipAttack] | None = None,
    *,
    declare: MembershipAttack | None = None,
    name: str = "observations",
    all_scores: bool = False,
    progress: Progress | None = None,
) -> MembershipResult:
    """Attack observations that other code made.

    Args:
        observations: at least four models.
        attacks: which; by default every attack whose signals are there.
        declare: the one chosen beforehand, as for `jaxattack.membership`.
        name: for the title.
        all_scores: whether the scores of every attack are kept, and not of the claimed one alone.
        progress: called as work is done.

    Raises:
        InputError: fewer than 4 models, or an attack that cannot score these observations.
    """
    begin = time.perf_counter()
    if observations.models < 4:
        raise InputError(f"{name} has {observations.models} models: give at least 4.")
    attacks = readable(observations) if attacks is None else attacks
    observations = bound_observations(name, observations)
    evaluation, records = evaluate_records(
        observations,
        attacks,
        declare=declare,
        unread=unread_records(observations),
        all_scores=all_scores,
        progress=progress,
    )
    queries = observations.signal("phi").shape[2] if "phi" in observations.signals else 1
    seconds = time.perf_counter() - begin
    findings = MembershipFindings(
        title=f"{name} · {observations.models} models",
        **vars(evaluation),
        cost=CostFindings(
            models=observations.models,
            gradient_steps=0,
            queries=observations.models * observations.records * queries,
            seconds=Seconds(score=seconds, total=seconds),
            memory_bytes=peak_memory(),
            device=device(),
        ),
        config={"observations": name, "attacks": [*by_label(attacks)]},
        environment=environment(),
    )
    return MembershipResult(findings=findings, records=records)

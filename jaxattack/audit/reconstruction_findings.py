"""The findings of a reconstruction: the victim, the attack, its cost, and pictures."""

from __future__ import annotations

import numpy as np

from jaxattack.attacks.naming import label
from jaxattack.attacks.reconstruction import ATTACKS
from jaxattack.audit.baseline import Judgement, unit
from jaxattack.audit.environment import device, peak_memory
from jaxattack.audit.experiment import Case, Experiment
from jaxattack.audit.findings.cost import query_cost
from jaxattack.audit.findings.reconstruction import (
    Accuracy,
    AttackFindings,
    Cost,
    GalleryEntry,
    Seconds,
    VictimFindings,
)
from jaxattack.audit.session import settings
from jaxattack.types import (
    GOALS,
    NEEDS,
    Reconstruction,
    ReconstructionAttack,
)

SHOWN = 10
"""Records in the gallery."""


def victim_findings(case: Case, experiment: Experiment) -> VictimFindings:
    """What was attacked, on which terms where it was asked, and how often it is right about members and others."""
    access, asks = case.oracle.access, bool(case.attack.levels)

    def right(side: np.ndarray) -> float | None:
        x = case.dataset.x[side].reshape(-1, *access.inputs.shape).astype(np.float64)
        return float((case.victim.ask(x).label == case.dataset.y[side]).mean()) if side.any() else None

    return VictimFindings(
        name=case.victim.name,
        features=int(np.prod(access.inputs.shape)),
        classes=access.classes,
        level=access.level if asks else None,
        decimals=access.decimals if asks else None,
        members=int(case.member.sum()),
        accuracy=Accuracy(members=right(case.member), others=right(~case.member)),
        models=experiment.models,
    )


def attack_findings(
    attack: ReconstructionAttack, reconstruction: Reconstruction, experiment: Experiment
) -> AttackFindings:
    """The attack, what it is after and needs, and how it ended."""
    return AttackFindings(
        name=label(attack, ATTACKS),
        goal=reconstruction.goal,
        about=GOALS[reconstruction.goal],
        needs=tuple(NEEDS[need] for need in attack.needs),
        settings=settings(attack),
        question=experiment.question,
        converged=reconstruction.converged,
        complete=reconstruction.complete,
        reason=reconstruction.reason,
        notes=dict(reconstruction.notes),
    )


def cost_findings(reconstruction: Reconstruction, prepaid: int, seconds: Seconds) -> Cost:
    """What a reconstruction cost.

    Args:
        reconstruction: counts its queries, models and steps.
        prepaid: answers that an earlier start had paid for.
        seconds: by phase.
    """
    return Cost(
        **query_cost(reconstruction.cost, prepaid),
        models=reconstruction.models,
        steps=reconstruction.steps,
        memory_bytes=peak_memory(),
        device=device(),
        seconds=seconds,
    )


def gallery(
    case: Case, experiment: Experiment, reconstruction: Reconstruction, judgement: Judgement
) -> tuple[tuple[GalleryEntry, ...], dict[int, np.ndarray]]:
    """Pictures of the first records, with the reconstruction of each and the nearest other record.

    Of candidates in no order the members are shown that are most like one.
    """
    source = case.victim.dataset
    if source is None or not source.images or not len(judgement.near):
        return (), {}
    order = np.arange(len(experiment.index))
    if len(judgement.candidate):
        assert experiment.member is not None
        inside = np.flatnonzero(experiment.member)
        order = inside[np.argsort([judgement.targets[at].error for at in inside], kind="stable")]
    pictures: dict[int, np.ndarray] = {}

    def add(x: np.ndarray) -> int:
        share = unit(case.inputs, x[np.newaxis]).reshape(source.shape)
        pictures[len(pictures)] = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
        return len(pictures) - 1

    entries = []
    for at in order[:SHOWN]:
        value = reconstruction.value[judgement.candidate[at] if len(judgement.candidate) else at]
        entries.append(
            GalleryEntry(
                target=int(experiment.index[at]),
                truth=add(experiment.truth[at]),
                made=add(value) if np.isfinite(value).all() else None,
                nearest=add(case.dataset.x[judgement.near[at]]),
            )
        )
    return tuple(entries), pictures

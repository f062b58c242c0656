"""How much poison raises what is found of some records (`jaxattack.data.poison`), and what it does to all others.

One sweep for each number of copies, none among them, with the same members: its run folder is out/copies-N. Attacked are
the clean records; the poison is in every model, the references' training as well as the target's.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.attacks.membership import REGISTRY, LiRA, by_label
from jaxattack.attacks.naming import label
from jaxattack.audit.curves import pooled
from jaxattack.audit.findings.membership import CopiesPoint, PoisonFindings
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.records import choose_records
from jaxattack.audit.scorable import scorable
from jaxattack.audit.scoring import MembershipResult, run_result, scored_observations
from jaxattack.audit.sweep import train_run
from jaxattack.data.poison import choose_targets, relabel_copies
from jaxattack.training import Placement
from jaxattack.types import (
    Dataset,
    InputError,
    MembershipAttack,
    Observations,
    Progress,
    config,
    reserving,
)

DECLARED = LiRA(online=True)  # of Tramèr et al.: the attack whose curve is drawn where none is declared


@config
class Poisoning:
    """What is poisoned.

    Attributes:
        copies: numbers of copies with a wrong label of each target; a run without any is always made beside them.
        targets: how many records are poisoned, chosen at random; or which, by their places.

    Raises:
        InputError: no or negative numbers of copies.
    """

    copies: tuple[int, ...] = (1, 2, 4, 8)
    targets: int | tuple[int, ...] = 100

    def __post_init__(self) -> None:
        if not self.copies or min(self.copies) < 0:
            raise InputError(f"copies is {self.copies}: give numbers of copies, each 0 or more, as 4.")


def poison(
    out: Path,
    audit: MembershipAudit,
    poisoning: Poisoning,
    *,
    placement: Placement = Placement(),
    cluster: str | None = None,
    all_scores: bool = False,
    progress: Progress | None = None,
) -> MembershipResult:
    """Sweeps with more and more poison, attacked alike.

    Args:
        out: a folder for the run folders; given again, it goes on where it stopped.
        audit: each sweep, of clean records; the declared attack's curve is drawn, that of online LiRA by default.
        poisoning: how many copies of which records.
        placement: how the work is cut.
        cluster: a Ray cluster to train on.
        all_scores: whether the scores of every attack are kept, and not of the claimed one alone.
        progress: called as work is done.

    Returns:
        The findings of the run with the most copies, and in `poison` the curve over the number of copies.

    Raises:
        InputError: as `jaxattack.membership`, a learner or a defence that has records set aside, targets that are no records, or a design with which the attack whose curve is
            drawn cannot score them.
    """
    begin = time.perf_counter()
    if audit.reserve:
        raise InputError(f"reserve is {audit.reserve}, beside which no records are poisoned: leave it at 0.")
    if parts := reserving(audit.learner, audit.defences):
        raise InputError(
            f"{type(parts[0]).__name__} has records set aside, beside which none are poisoned: choose another."
        )
    attack = audit.declare or DECLARED
    clean = choose_records(audit.dataset, audit.records, audit.seed)
    audit = replace(audit, dataset=clean, records=None, attacks=tuple(dict.fromkeys((*audit.attacks, attack))))
    targets = _targets(poisoning, clean, audit.seed)
    scored = _choose_scored(attack, audit.design(audit.models, len(clean), audit.seed), targets)
    curve: list[CopiesPoint] = []
    for copies in sorted({0, *poisoning.copies}):
        poisoned = relabel_copies(clean, targets, copies, audit.seed)
        sweep = replace(audit, dataset=poisoned.records, background=int(poisoned.background.sum()))
        plan = train_run(out / f"copies-{copies}", sweep, placement=placement, cluster=cluster, progress=progress)
        observations = scored_observations(plan.folder, audit.models).take_records(scored)
        curve.append(compare_targets(observations, attack, np.isin(scored, targets), copies))
    result = run_result(
        plan.folder, audit.models, audit.attacks, audit.declare, clean, begin, progress, all_scores=all_scores
    )
    findings = replace(
        result.findings,
        title=f"{result.findings.title} · {curve[-1].copies} copies of {len(targets)} records poison it",
        poison=PoisonFindings(
            attack=label(attack, REGISTRY),
            targets=len(targets),
            records=tuple(targets.tolist()),
            curve=tuple(curve),
        ),
    )
    return replace(result, findings=findings)


def compare_targets(
    observations: Observations, attack: MembershipAttack, poisoned: Bool[np.ndarray, "record"], copies: int
) -> CopiesPoint:
    """What an attack finds of the targets, which are poisoned, and of all other records, each pooled over the models."""
    scores = attack(observations)
    targets, others = (pooled(scores[:, rows], observations.member[:, rows]) for rows in (poisoned, ~poisoned))
    return CopiesPoint(copies=copies, targets=targets, others=others)


def _targets(poisoning: Poisoning, clean: Dataset, seed: int) -> Int[np.ndarray, "target"]:
    if isinstance(poisoning.targets, int):
        return choose_targets(clean, poisoning.targets, seed)
    return np.sort(np.array(poisoning.targets, int))


def _choose_scored(
    attack: MembershipAttack, member: Bool[np.ndarray, "model record"], targets: Int[np.ndarray, "target"]
) -> Int[np.ndarray, "scored"]:
    """The records that the curve's attack scores, known before anything is trained.

    Raises:
        InputError: none of the targets is among them, or too few records are.
    """
    try:
        scored = scorable(member, by_label((attack,)))
    except InputError as error:
        raise InputError(f"the curve of {label(attack, REGISTRY)} cannot be drawn: {error}") from None
    left_out = np.setdiff1d(np.arange(member.shape[1]), scored.records)
    if np.isin(targets, left_out).all():
        raise InputError(
            f"the curve of {label(attack, REGISTRY)} cannot be drawn, which scores none of the targets: {' '.join(scored.notes)}"
        )
    return scored.records

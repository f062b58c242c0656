"""How much poison raises what is found of some records (`jaxattack.data.poison`), and what it does to all others.

One sweep for each number of copies, none among them, with the same members: its run folder is out/copies-N. Attacked are
the clean records; the poison is in every model, the references' training as well as the target's.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.attacks.membership import lookup
from jaxattack.audit.curves import pooled
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.scorable import scorable
from jaxattack.audit.subject import Subject, choose_records
from jaxattack.audit.sweep import Findings, record_pictures, run_findings, scored_observations, train_run
from jaxattack.data import load
from jaxattack.data.designs import design
from jaxattack.data.poison import choose_targets, relabel_copies
from jaxattack.training import Placement, Recipe
from jaxattack.types import Dataset, Defence, InputError, Learner, Observations, Progress, config

DECLARED = "lira-online"  # of Tramèr et al.: the attack whose curve is drawn where none is declared


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
    *,
    poisoning: Poisoning,
    victim: Subject = Subject(),
    recipe: Recipe | Learner = Recipe(),
    audit: MembershipAudit = MembershipAudit(),
    dataset: Dataset | None = None,
    defences: tuple[Defence, ...] = (),
    placement: Placement = Placement(),
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Sweeps with more and more poison, attacked alike.

    Args:
        out: a folder for the run folders; given again, it goes on where it stopped.
        poisoning: how many copies of which records.
        victim: as for `jaxattack.membership`, and so are the others.
        recipe: how every model is trained.
        audit: the declared attack's curve is drawn; that of online LiRA by default.
        dataset: the records, where they are not to be loaded by name.
        defences: before every model's answers.
        placement: how the work is cut.
        cluster: a Ray cluster to train on.
        progress: called as work is done.

    Returns:
        The findings of the run with the most copies, and in ``poison`` the curve over the number of copies.

    Raises:
        InputError: as `jaxattack.membership`, targets that are no records, or a design with which the attack whose curve is
            drawn cannot score them.
    """
    begin = time.perf_counter()
    attack = audit.declare or DECLARED
    audit = replace(audit, attacks=tuple(dict.fromkeys((*audit.attacks, attack))))
    clean = choose_records(dataset if dataset is not None else load(victim.data), victim.records, audit.seed)
    targets = _targets(poisoning, clean, audit.seed)
    records = _choose_scored(attack, design(audit.design)(audit.models, len(clean), audit.seed), targets)
    curve: list[dict[str, Any]] = []
    for copies in sorted({0, *poisoning.copies}):
        poisoned = relabel_copies(clean, targets, copies, audit.seed)
        plan = train_run(
            out / f"copies-{copies}", victim=replace(victim, records=None), recipe=recipe, audit=audit,
            dataset=poisoned.records, defences=defences, background=int(poisoned.background.sum()), placement=placement,
            cluster=cluster, progress=progress,
        )  # fmt: skip
        observations = scored_observations(plan.folder, audit.models).take_records(records)
        curve.append({"copies": copies, **compare_targets(observations, attack, np.isin(records, targets))})
    values = run_findings(plan.folder, audit.models, audit.attacks, audit.declare, clean, begin, progress)
    values["title"] = f"{values['title']} · {curve[-1]['copies']} copies of {len(targets)} records poison it"
    values["poison"] = {"attack": attack, "targets": len(targets), "records": targets.tolist(), "curve": curve}
    return Findings(values, record_pictures(values, clean))


def compare_targets(observations: Observations, attack: str, poisoned: Bool[np.ndarray, "record"]) -> dict[str, Any]:
    """What an attack finds of the targets, which are poisoned, and of all other records, each pooled over the models."""
    scores = lookup((attack,))[attack](observations)
    return {
        name: pooled(scores[:, rows], observations.member[:, rows])
        for name, rows in (("targets", poisoned), ("others", ~poisoned))
    }


def _targets(poisoning: Poisoning, clean: Dataset, seed: int) -> Int[np.ndarray, "target"]:
    if isinstance(poisoning.targets, int):
        return choose_targets(clean, poisoning.targets, seed)
    return np.sort(np.array(poisoning.targets, int))


def _choose_scored(
    attack: str, member: Bool[np.ndarray, "model record"], targets: Int[np.ndarray, "target"]
) -> Int[np.ndarray, "scored"]:
    """The records that the curve's attack scores, known before anything is trained.

    Raises:
        InputError: none of the targets is among them, or too few records are.
    """
    try:
        scored = scorable(member, lookup((attack,)))
    except InputError as error:
        raise InputError(f"the curve of {attack} cannot be drawn: {error}") from None
    left_out = np.setdiff1d(np.arange(member.shape[1]), scored.records)
    if np.isin(targets, left_out).all():
        raise InputError(
            f"the curve of {attack} cannot be drawn, which scores none of the targets: {' '.join(scored.notes)}"
        )
    return scored.records

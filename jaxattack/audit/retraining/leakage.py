"""Whether a backdoor raises what membership attacks find, as wrong labels do (Tramèr et al. 2022).

Two sweeps with the same members: in the second a stamped copy of each of some records, with the backdoor's label, is in every
model, the references' training as well as the target's. The records themselves are in half of the models, and attacked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxattack.attacks.membership import REGISTRY, LiRA
from jaxattack.attacks.naming import label
from jaxattack.audit.findings.poisoning import LeakageFindings
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.poisoning import compare_targets
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.retraining.split import Split
from jaxattack.audit.scoring import scored_observations
from jaxattack.audit.sweep import train_run
from jaxattack.training import Placement
from jaxattack.types import BackdoorAttack, Progress

POISONED = 100
"""Records a stamped copy of which is added, at most a tenth of all."""


def leakage_findings(
    audit: PoisonAudit, parts: Split, out: Path, placement: Placement, progress: Progress | None
) -> tuple[LeakageFindings, ...]:
    """What each backdoor does; nothing where it was not asked for."""
    backdoors = [
        (name, attack)
        for name, attack in zip(audit.names, audit.attacks, strict=True)
        if isinstance(attack, BackdoorAttack)
    ]
    return tuple(
        _leakage(audit, name, attack, parts, out / f"leakage-{number}", placement, progress)
        for number, (name, attack) in enumerate(backdoors if audit.leakage else [])
    )


def _leakage(
    audit: PoisonAudit,
    name: str,
    attack: BackdoorAttack,
    parts: Split,
    out: Path,
    placement: Placement,
    progress: Progress | None,
) -> LeakageFindings:
    records, membership = parts.train, LiRA(online=True)
    poison = attack(records, min(POISONED, len(records) // 10), own=parts.own, seed=audit.seed)
    stamped = np.isin(np.arange(len(records)), poison.source)
    pair = []
    for with_backdoor in (False, True):
        dataset = records.extend(poison.x, poison.y, kind="poison") if with_backdoor else records
        sweep = MembershipAudit(
            model=audit.model,
            dataset=dataset,
            learner=audit.learner,
            models=audit.leakage,
            attacks=(membership,),
            background=len(poison) if with_backdoor else 0,
            keep_weights=False,
            seed=audit.seed,
        )
        folder = "backdoored" if with_backdoor else "clean"
        plan = train_run(out / folder, sweep, placement=placement, progress=progress)
        pair.append(compare_targets(scored_observations(plan.folder, audit.leakage), membership, stamped, len(poison)))
    clean, backdoor = pair
    return LeakageFindings(
        attack=name,
        membership=label(membership, REGISTRY),
        models=audit.leakage,
        records=int(stamped.sum()),
        clean=clean.targets,
        backdoor=backdoor.targets,
        others_clean=clean.others,
        others_backdoor=backdoor.others,
    )

"""The function `jaxattack.membership`: a sweep whose every model is a target, or references for one target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.records import Standardise
from jaxattack.audit.scoring import MembershipResult
from jaxattack.audit.sweep import folder_or_none, run_membership
from jaxattack.audit.target.answer_files import as_membership
from jaxattack.audit.target.answers import Scale
from jaxattack.audit.target.run import TargetResult, audit_target
from jaxattack.audit.target.terms import TargetTerms
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.audit.victim_names import open_victim, require_trained
from jaxattack.data.designs import Design, Halves
from jaxattack.models.source import ModelSource
from jaxattack.training import Placement
from jaxattack.training.learners import Standard
from jaxattack.types import (
    Dataset,
    Defence,
    Learner,
    MembershipAttack,
    Observations,
    Oracle,
    Progress,
    WhiteBox,
    check_arguments,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Target = Victim | Oracle | WhiteBox | Observations | str | Path
_TERMS = TargetTerms()


@check_arguments("placement", "cluster", "all_scores", "progress")
def membership(
    out: str | Path | None = None,
    *,
    target: Target | None = None,
    members: ArrayLike | None = None,
    terms: TargetTerms = _TERMS,
    scale: Scale = "auto",
    references: str | Path | None = None,
    also: Sequence[ModelSource] = (),
    model: ModelSource,
    dataset: Dataset,
    attacks: tuple[MembershipAttack, ...] = tuple(ATTACKS.values()),
    learner: Learner = Standard(),
    defences: tuple[Defence, ...] = (),
    design: Design = Halves(),
    models: int = 256,
    queries: int = 1,
    declare: MembershipAttack | None = None,
    seed: int = 0,
    records: int | None = None,
    standardise: Standardise = "members",
    keep_weights: bool | None = None,
    placement: Placement = Placement(),
    cluster: str | None = None,
    all_scores: bool = False,
    progress: Progress | None = None,
) -> MembershipResult | TargetResult:
    """Train the models that the run folder lacks, and attack every model; or with them the one model that exists already.

    Args:
        out: the run folder; given again, it goes on where it stopped. Nothing stays on the disk without one.
        target: attack this model alone: a victim, an oracle, a WhiteBox, one row of observations (``observations.take(slice(0,
            1))``), the name of any victim that `jaxattack.open_victim` opens, or an .npz of its answers
            (`jaxattack.audit.target.answer_files`). The models that are trained are its references; each record gets a score, a
            p-value and a verdict. The next five are of a target alone.
        members: who is known to be a member: 1 and 0 a record, -1 where it is not known; or the members' numbers. By default
            what the target itself tells.
        terms: of the verdicts.
        scale: on what scale the target takes pictures, as `jaxattack.audit.target.answers.Scale` says.
        references: a file of observations of models that others trained, in place of models trained here.
        also: other architectures, with references of which the attack is run again.
        model: what every model is: an `jaxattack.models.Architecture`, a Model, a Flax NNX class, or a function that makes
            one, as `jaxattack.models.source` says.
        dataset: the records.
        attacks: the attacks to run, by default all registered ones that read one answer a view.
        learner: how every model learns.
        defences: before every model's answers, the first nearest to the model; attacks that need more than the answers
            give are not run, and named.
        design: who is in.
        models: how many to train; every one plays the target against all the others. At least 4.
        queries: views a record is asked about, as `MembershipAudit` has it.
        declare: one of the attacks, chosen before it is known which is the strongest: the headline speaks of it.
        seed: decides everything random.
        records: use this many of the records, chosen at random; all by default.
        standardise: what is done to columns of a table that are far from one scale: "members" or "none".
        keep_weights: keep every model's weights in the run folder; by default where those of all models fit in 2 GiB.
        placement: how the work is cut; it does not change the results.
        cluster: a Ray cluster to train on, as `jaxattack.audit.cluster` has it; by default this process trains.
        all_scores: whether the scores of every attack are kept, and not of the claimed one alone.
        progress: called as work is done.

    Raises:
        InputError: bad input, a foreign or damaged folder, a cluster that cannot be reached, or a full disk; what was
            finished is kept. Or `jax.distributed` runs several processes, which `train_part` is for.

    Example:
        >>> audit = ja.membership(
        ...     model=ja.models.Architecture(name="softmax"),
        ...     dataset=ja.load("iris"),
        ...     attacks=(ja.attacks.LiRA(online=True),),
        ...     learner=ja.learners.Standard(recipe=ja.Recipe(epochs=2)),
        ...     models=8,
        ... )
        >>> audit.findings.attacks[0].name, audit.findings.models.count
        ('lira-online', 8)
    """
    audit = MembershipAudit(
        model=model,
        dataset=dataset,
        records=records,
        standardise=standardise,
        learner=learner,
        defences=defences,
        design=design,
        models=models,
        queries=queries,
        attacks=attacks,
        declare=declare,
        seed=seed,
        keep_weights=keep_weights,
    )
    with folder_or_none(out) as folder:
        if target is not None:
            known = None if members is None else as_membership(members, len(dataset), "members")
            return audit_target(
                folder,
                _opened(target),
                audit,
                known=known,
                terms=terms,
                scale=scale,
                references=None if references is None else Path(references),
                also=also,
                keep_answers=out is not None,
                placement=placement,
                cluster=cluster,
                progress=progress,
            )
        return run_membership(
            folder, audit, placement=placement, cluster=cluster, all_scores=all_scores, progress=progress
        )


def _opened(target: Target) -> Victim | Path | Observations:
    if isinstance(target, Observations):
        return target
    if isinstance(target, str | Path):
        if Path(target).suffix == ".npz":
            return Path(target)
        require_trained(str(target))
        return open_victim(str(target))
    return as_victim(target)

"""The command `epsilon`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jaxattack.audit import (
    CanarySweep,
    EpsilonAudit,
    audit_gradients,
    audit_training,
    read_canary_scores,
)
from jaxattack.audit import epsilon as bound_epsilon
from jaxattack.audit.gradients import DIRECTIONS
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, progress, publish, refuse_other_report, resumable
from jaxattack.cli.words import Subject, slug
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import DPSGD
from jaxattack.types import InputError

AuditOptions = Annotated[EpsilonAudit, flat("The claim")]
PrivacyOptions = Annotated[DPSGD, flat("Privacy")]
SweepOptions = Annotated[CanarySweep, flat("Canaries")]
SubjectOptions = Annotated[Subject, flat("What is audited")]
RecipeOptions = Annotated[Recipe, flat("How it is trained")]
PlacementOptions = Annotated[Placement, flat("Speed (results stay the same)")]
_AUDIT, _OUTPUT, _PRIVATE, _SWEEP = EpsilonAudit(), Output(), DPSGD(), CanarySweep()
_SUBJECT, _RECIPE, _PLACEMENT = Subject(), Recipe(), Placement()


def epsilon(
    scores: Path | None = None,
    /,
    *,
    sweep: SweepOptions = _SWEEP,
    private: PrivacyOptions = _PRIVATE,
    subject: SubjectOptions = _SUBJECT,
    recipe: RecipeOptions = _RECIPE,
    audit: AuditOptions = _AUDIT,
    placement: PlacementOptions = _PLACEMENT,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """How private is it at most? Bound epsilon from below by canaries that an attack tells apart.

    Without SCORES: trains models by DP-SGD, each with half of the canaries, and draws the lower bounds beside the
    accountant's upper ones. The run folder survives a kill: the same command goes on where it stopped. With --kind dirac
    canaries are gradients, which audit every step; such a run begins anew.

    SCORES is an .npz of any framework's `score`, higher for canaries that are in, and `member`, 0 or 1: [model, canary]; or
    one entry a score, with `canary` and `model` beside them where there are several.

    Examples:

        jaxattack epsilon --model mlp:64 --noise 1.0 --clip 1.0 --models 512

        jaxattack epsilon --model softmax --kind dirac --canaries 50 --models 40 --batch 100000

        jaxattack epsilon scores.npz --coins-independent

        jaxattack epsilon gradients.npz --losses-independent --declare gaussian --upper 4.4

    Args:
        scores: the .npz file; models are trained where none is given.
        out: the run folder, by default one in ./jaxattack-runs named after the settings; or the report's folder, by default
            beside the scores.
    """
    output.check("epsilon")
    training = (sweep, private, subject, recipe, placement)
    if scores is not None:
        if training != (_SWEEP, _PRIVATE, _SUBJECT, _RECIPE, _PLACEMENT):
            raise InputError(f"{scores} has its scores and trains nothing: leave out what says how models are trained.")
        folder = out or scores.with_suffix(".epsilon")
        refuse_other_report(folder, "epsilon")
        canaries = read_canary_scores(scores)
        bounds = bound_epsilon(canaries.score, canaries.member, audit=audit, name=scores.name)
        publish(folder, bounds, output)
        return
    settings = {**asdict(subject), **asdict(recipe), **asdict(private), **asdict(sweep)}
    del settings["models"], settings["microbatch"]
    folder = out or RUNS / f"epsilon-{slug(subject, settings)}"
    refuse_other_report(folder, "epsilon")
    model, dataset = subject.source(), subject.dataset()
    if sweep.kind in DIRECTIONS:
        with progress(output):  # nothing tells how far it is; a person who stops it is told that nothing is kept
            bounds = audit_gradients(
                model=model,
                dataset=dataset,
                records=subject.records,
                recipe=recipe,
                private=private,
                sweep=sweep,
                audit=audit,
            )
        publish(folder, bounds, output)
        return
    with progress(output) as report, resumable(folder):
        findings = audit_training(
            folder, model=model, dataset=dataset, records=subject.records, standardise=subject.standardise, recipe=recipe,
            private=private, sweep=sweep, audit=audit, placement=placement, progress=report,
        )  # fmt: skip
    publish(folder, findings, output)

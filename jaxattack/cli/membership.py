"""The command `membership`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
from cyclopts import Parameter

from jaxattack.attacks.membership import ATTACKS, PROTOCOLS
from jaxattack.audit import MembershipAudit, Part, train_part
from jaxattack.audit.forecast import forecast_membership
from jaxattack.audit.poisoning import poison as run_poison
from jaxattack.audit.sweep import run_membership
from jaxattack.cli.credentials import Credentials
from jaxattack.cli.forecast import print_forecast
from jaxattack.cli.options import Words
from jaxattack.cli.output import (
    RUNS,
    CredentialOptions,
    Output,
    OutputOptions,
    flat,
    print_json,
    progress,
    publish,
    resumable,
    say,
)
from jaxattack.cli.poison import Poisoned, poisoning_from
from jaxattack.cli.target import OneTarget, TargetOptions, VerdictOptions, Verdicts
from jaxattack.cli.values import Protocol, attacks_from, declared_from
from jaxattack.cli.words import (
    DefenceOptions,
    Defending,
    Learning,
    LearningOptions,
    RecipeOptions,
    Subject,
    SubjectOptions,
    named_learner,
    slug,
)
from jaxattack.data.designs import design
from jaxattack.training import Placement, Recipe
from jaxattack.types import Defence, InputError, Learner, config


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Which machines train; the results stay the same.

    Attributes:
        part: train the models of this share alone, as 3/16 for the third of 16, into the run folder that all parts have
            in common: in any order, at the same time, and again. The part that finds all models there attacks them.
            auto: this process's share under jax.distributed (Slurm, MPI, Kubernetes, TPU pods).
        cluster: train on a Ray cluster, from one of its machines: HOST:PORT or auto; or local, for this machine's own
            cores or GPUs. Needs the extra `cluster`.

    Raises:
        InputError: both.
    """

    part: str | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.part is not None and self.cluster is not None:
            raise InputError(f"part is {self.part} and cluster {self.cluster}: give one; a cluster trains all parts.")


@config
class Attacking:
    """What is trained and asked.

    Attributes:
        models: how many to train; every one plays the target against all the others. At least 4.
        design: who is in: halves, exact, poisson:0.5, sized:1200 or mask:FILE.npy.
        queries: views a record is asked about: 1, 2 (mirrored), 9 or 18 (shifted by up to 1 pixel), 25 or 50 (by 2), 81 or 162
            (by 4); images only.
        attacks: the attacks to run, by default all that read one answer a view; others, as gradient-norm, merlin or
            boundary-distance, which ask more, are run where they are named. A name may set fields, as rmia-offline?a=tuned&gamma=1.5.
        declare: one of the attacks, named before it is known which is the strongest: the headline speaks of it, and its
            interval need not allow for the choice among all.
        reserve: the share of all records that is set aside at least, in no model and not scored: what loss-trajectory teaches
            its students on.
        seed: decides everything random.
        keep_weights: keep every model's weights in the run folder, so that they can be asked for more afterwards; by
            default where those of all models fit in 2 GiB.
    """

    models: int = 256
    design: str = "halves"
    queries: int = 1
    attacks: Words = tuple(ATTACKS)
    declare: str | None = None
    reserve: float = 0.0
    seed: int = 0
    keep_weights: bool | None = None

    def audit(
        self, subject: Subject, learner: Learner, defences: tuple[Defence, ...], protocol: Protocol
    ) -> MembershipAudit:
        """What all the words mean, the attacks under a protocol.

        Raises:
            InputError: a word that means nothing, or a value out of range.
        """
        return MembershipAudit(
            model=subject.source(),
            dataset=subject.dataset(),
            records=subject.records,
            standardise=subject.standardise,
            learner=learner,
            defences=defences,
            design=design(self.design),
            models=self.models,
            queries=self.queries,
            attacks=attacks_from(self.attacks, protocol),
            declare=declared_from(self.declare, protocol),
            reserve=self.reserve,
            seed=self.seed,
            keep_weights=self.keep_weights,
        )


_ATTACK = flat("The attack")
AttackOptions = Annotated[Attacking, _ATTACK]
ProtocolOption = Annotated[Protocol, Parameter(group=_ATTACK.group)]
PlacementOptions = Annotated[Placement, flat("Speed (results stay the same to rounding)")]
PoisonOptions = Annotated[Poisoned, flat("What is poisoned")]
MachineOptions = Annotated[Machines, flat("Many machines")]
_SUBJECT, _RECIPE, _ATTACKING, _PLACEMENT, _OUTPUT = Subject(), Recipe(), Attacking(), Placement(), Output()
_MACHINES, _LEARNING, _DEFENDING, _POISONED = Machines(), Learning(), Defending(), Poisoned()
_TARGET, _VERDICTS, _CREDENTIALS = OneTarget(), Verdicts(), Credentials()


def membership(
    *,
    subject: SubjectOptions = _SUBJECT,
    recipe: RecipeOptions = _RECIPE,
    learning: LearningOptions = _LEARNING,
    defending: DefenceOptions = _DEFENDING,
    poisoned: PoisonOptions = _POISONED,
    attacking: AttackOptions = _ATTACKING,
    protocol: ProtocolOption = PROTOCOLS[0],
    placement: PlacementOptions = _PLACEMENT,
    machines: MachineOptions = _MACHINES,
    all_scores: bool = False,
    one: TargetOptions = _TARGET,
    verdicts: VerdictOptions = _VERDICTS,
    credentials: CredentialOptions = _CREDENTIALS,
    dry_run: bool = False,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Who was in the training set? Train many models, attack every one, and write a report.

    Without options: 256 networks on scikit-learn's digits, every attack, in some 20 seconds on two cores.

    The run folder survives a kill: the same command goes on where it stopped, and a finished run is only scored again.

    With --target one model alone is attacked, which exists already: each record gets a score, a p-value and a verdict, and
    the models that are trained are its references.

    Examples:

        jaxattack membership --target model.onnx --data records.npz --members members.npy --model cnn:16 --models 64

        jaxattack membership --data tfds:cifar10 --model wrn:28-2 --models 64 --queries 18 --flip --crop 4

        jaxattack membership --data records.npz --model mlp:128 --activation tanh --attacks lira-online rmia-offline

        jaxattack membership --learner relaxloss?alpha=1.0 --defend round:2

        jaxattack membership --models 64 --poison 1 4 --targets 100 --attacks lira-online

        jaxattack membership --part 3/16 --out /shared/run

    Args:
        protocol: independent: a target's references are models whose members do not tell the target's; leave-one-out: all
            other models, as published, for comparison with papers that left the target's complement in.
        all_scores: write what every attack says of every record to scores.npz, and not only what the claimed one says:
            8 bytes for each attack, model and record.
        dry_run: say what would be trained, in what memory, disk and time, and end. A chunk is trained for an epoch for it.
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("membership" if one.target is None else "target")
    learner, defences = learning.value(recipe), defending.value()
    audit = attacking.audit(subject, learner, defences, protocol)
    settings = {
        **asdict(subject),
        **asdict(recipe),
        **named_learner(learner),
        **({"defences": repr(defences)} if defences else {}),
        "design": attacking.design,
        "queries": attacking.queries,
        "seed": attacking.seed,
        **({"reserve": attacking.reserve} if attacking.reserve else {}),
        **({"poison": poisoned.poison, "targets": poisoned.targets} if poisoned.poison else {}),
    }
    one.refuse_useless(
        verdicts,
        {"part": machines.part, "poison": poisoned.poison, "all_scores": all_scores, "dry_run": dry_run},
    )
    one.refuse_training(
        _training(subject, recipe, learning, attacking, machines),
        _training(_SUBJECT, _RECIPE, _LEARNING, _ATTACKING, _MACHINES),
    )
    if one.target is None:
        credentials.read(service=False)
    if dry_run and output.fail_above:
        raise InputError(f"fail-above is {' '.join(output.fail_above)} and dry-run finds no figure: leave one out.")
    folder = out or RUNS / slug(subject, settings)
    if machines.cluster:
        jax.config.update("jax_platforms", "cpu")  # the workers', not the driver's, are this machine's accelerators
    if one.target is not None:
        from jaxattack.cli.target_audit import run_target  # and with it the readers of all frameworks' files

        run_target(
            one, verdicts, audit, credentials, settings | {"models": attacking.models}, data=subject.named_data,
            placement=placement, cluster=machines.cluster, output=output, out=out,
        )  # fmt: skip
    elif dry_run:
        _say_forecast(folder, audit, placement, machines, poisoned, output)
    else:
        _run_sweep(audit, poisoned, placement, machines, folder, output, all_scores)


def _training(
    subject: Subject, recipe: Recipe, learning: Learning, attacking: Attacking, machines: Machines
) -> dict[str, Any]:
    """The options that say how models are trained and where."""
    return {
        **{name: getattr(subject, name) for name in ("model", "activation", "dropout", "standardise")},
        **asdict(recipe),
        "learner": learning.learner,
        **{name: getattr(attacking, name) for name in ("models", "design", "keep_weights")},
        "cluster": machines.cluster,
    }


def _run_sweep(
    audit: MembershipAudit,
    poisoned: Poisoned,
    placement: Placement,
    machines: Machines,
    folder: Path,
    output: Output,
    all_scores: bool,
) -> None:
    """Train a sweep or a part of it, attack every model, and write the report or say what is left to do."""
    part = None if machines.part is None else _part(machines.part)
    poisoning = poisoning_from(poisoned, part)
    unfinished: tuple[Part, ...] = ()
    # Ray prints what happens to its machines on standard output, which is for programs.
    with redirect_stdout(sys.stderr), progress(output) as report_progress, resumable(folder):
        if part:
            unfinished = train_part(folder, audit, part, placement=placement, progress=report_progress)
        run = partial(run_poison, poisoning=poisoning) if poisoning else run_membership
        result = (
            None
            if unfinished
            else run(
                folder,
                audit,
                placement=placement,
                cluster=machines.cluster,
                all_scores=all_scores,
                progress=report_progress,
            )
        )
    if result:
        publish(folder, result.findings, output, pictures=result.pictures, records=result.records)
    elif part:
        _tell(folder, part, unfinished, audit, output, all_scores)


def _say_forecast(
    folder: Path,
    audit: MembershipAudit,
    placement: Placement,
    machines: Machines,
    poisoned: Poisoned,
    output: Output,
) -> None:
    """Say what the command would do.

    Raises:
        InputError: on a cluster, which is not measured, or with poison, where several runs would be.
    """
    if machines.cluster:
        raise InputError(f"cluster is {machines.cluster} and dry-run measures this machine: leave one out.")
    part = None if machines.part is None else _part(machines.part)
    if poisoning_from(poisoned, part):
        raise InputError(
            f"poison is {poisoned.poison} and dry-run is of one run: leave poison out; each of its runs takes as much."
        )
    models = None if part is None else part.models(audit.models)
    print_forecast(forecast_membership(folder, audit, placement=placement, models=models, attack=part is None), output)


def _part(text: str) -> Part:
    """The part that is asked for.

    Raises:
        InputError: there is no such part, or nothing says which this process has.
    """
    if text != "auto":
        return Part.parse(text)
    try:
        jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        reason = f"{error}".partition("\n")[0].rstrip(".")
        raise InputError(f"part is auto and jax.distributed finds no processes ({reason}): give one as 3/16.") from None
    part = Part.of_process()
    jax.distributed.shutdown()  # nothing is exchanged from here on: a process that dies must not end the others
    return part


def _tell(
    folder: Path, part: Part, unfinished: Iterable[Part], audit: MembershipAudit, output: Output, all_scores: bool
) -> None:
    """Say what a part leaves to do, and what to do then, to the same end as this command."""
    attacks = tuple(audit.labelled())
    options = [] if attacks == tuple(ATTACKS) else ["--attacks", *attacks]
    options += [] if audit.declared is None else ["--declare", audit.declared]
    options += ["--all-scores"] if all_scores else []
    command = shlex.join(["jaxattack", "report", str(folder), *options])
    names = [str(one) for one in unfinished]
    if output.json:
        print_json({"part": str(part), "unfinished": names, "then": command})
    say(output, f"Part {part} is finished; these are not: {', '.join(names)}. When they are: {command}")

"""The commands `membership`, `train`, `score` and `report`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import jax
from cyclopts import Parameter

from jaxattack.attacks.membership import ATTACKS, PROTOCOLS, under_protocol
from jaxattack.audit import (
    MembershipAudit,
    Part,
    Subject,
    read_observations,
    rescore,
    train_part,
    train_victim,
)
from jaxattack.audit import membership as run_membership
from jaxattack.audit import score as score_observations
from jaxattack.audit.poisoning import poison as run_poison
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, print_json, progress, publish, resumable, say, slug
from jaxattack.cli.poison import Poisoned, poisoning_from
from jaxattack.cli.values import defences_from, learner_from
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError, Learner, config


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
class Learning:
    """How it learns.

    Attributes:
        learner: standard; relaxloss, whose loss is held at a level; dp-sgd, with clipped gradients and noise; or
            distillation, the student of a teacher. A name may set fields: relaxloss?alpha=1.0, dp-sgd?clip=1&noise=0.5,
            distillation?temperature=10.
    """

    learner: str = "standard"


@config
class Defending:
    """What stands before its answers.

    Attributes:
        defend: defences of the answers, the first nearest to the model: round:2, top:3, label, temperature:5, noise:0.1 (or
            noise:0.1?by_record=true), memguard:0.5. Several as temperature:5,round:2. Attacks that read more than is
            answered then are not run, and named.
    """

    defend: tuple[str, ...] = ()


SubjectOptions = Annotated[Subject, flat("What is attacked")]
_ATTACK = flat("The attack")
AuditOptions = Annotated[MembershipAudit, _ATTACK]
_TRAINED = flat("How it is trained")
Protocol = Literal["independent", "leave-one-out"]
ProtocolOption = Annotated[Protocol, Parameter(group=_ATTACK.group)]
RecipeOptions = Annotated[Recipe, _TRAINED]
PlacementOptions = Annotated[Placement, flat("Speed (results stay the same to rounding)")]
LearningOptions = Annotated[Learning, _TRAINED]
DefenceOptions = Annotated[Defending, flat("What is defended")]
PoisonOptions = Annotated[Poisoned, flat("What is poisoned")]
MachineOptions = Annotated[Machines, flat("Many machines")]
_VICTIM, _RECIPE, _AUDIT, _PLACEMENT, _OUTPUT = Subject(), Recipe(), MembershipAudit(), Placement(), Output()
_MACHINES, _LEARNING, _DEFENDING, _POISONED = Machines(), Learning(), Defending(), Poisoned()


def membership(
    *,
    victim: SubjectOptions = _VICTIM,
    recipe: RecipeOptions = _RECIPE,
    learning: LearningOptions = _LEARNING,
    defending: DefenceOptions = _DEFENDING,
    poisoned: PoisonOptions = _POISONED,
    audit: AuditOptions = _AUDIT,
    protocol: ProtocolOption = PROTOCOLS[0],
    placement: PlacementOptions = _PLACEMENT,
    machines: MachineOptions = _MACHINES,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Who was in the training set? Train many models, attack every one, and write a report.

    Without options: 256 networks on scikit-learn's digits, every attack, in a minute or two.

    The run folder survives a kill: the same command goes on where it stopped, and a finished run is only scored again.

    Examples:

        jaxattack membership --data tfds:cifar10 --model wrn:28-2 --models 64 --queries 18 --flip --crop 4

        jaxattack membership --data records.npz --model mlp:128 --activation tanh --attacks lira-online --attacks rmia-offline

        jaxattack membership --learner relaxloss?alpha=1.0 --defend round:2

        jaxattack membership --models 64 --poison 1 --poison 4 --targets 100 --attacks lira-online

        jaxattack membership --part 3/16 --out /shared/run

    Args:
        protocol: independent: a target's references are models whose members do not tell the target's; leave-one-out: all
            other models, as published, for comparison with papers that left the target's complement in.
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    attacks = under_protocol(audit.attacks, protocol)
    audit = replace(audit, attacks=attacks, declare=_declared(audit.declare, protocol))
    learner = learner_from(learning.learner, recipe)
    defences = defences_from(defending.defend)
    settings = {
        **asdict(victim),
        **asdict(recipe),
        **_named(learner),
        **({"defences": repr(defences)} if defences else {}),
        "design": audit.design,
        "queries": audit.queries,
        "seed": audit.seed,
        **({"poison": poisoned.poison, "targets": poisoned.targets} if poisoned.poison else {}),
    }
    folder = out or RUNS / slug(victim, settings)
    if machines.cluster:
        jax.config.update("jax_platforms", "cpu")  # the workers', not the driver's, are this machine's accelerators
    part = None if machines.part is None else _part(machines.part)
    poisoning = poisoning_from(poisoned, part)
    unfinished = ()
    # Ray prints what happens to its machines on standard output, which is for programs.
    with redirect_stdout(sys.stderr), progress(output) as shown, resumable(folder):
        run = {
            "victim": victim,
            "recipe": learner,
            "audit": audit,
            "defences": defences,
            "placement": placement,
            "progress": shown,
        }
        if poisoning:
            found = run_poison(folder, poisoning=poisoning, cluster=machines.cluster, **run)
        else:
            if part:
                unfinished = train_part(folder, part, **run)
            found = None if unfinished else run_membership(folder, cluster=machines.cluster, **run)
    if found:
        publish(folder, found.values, output, pictures=found.pictures)
    elif part:
        _tell(folder, part, unfinished, audit.attacks, output)


def _declared(name: str | None, protocol: str) -> str | None:
    """The attack declared beforehand, under a protocol."""
    return None if name is None else under_protocol((name,), protocol)[0]


def _named(learner: Learner) -> dict[str, str]:
    """What a learner adds to the settings that name a folder: nothing for the standard one."""
    return {} if learner == Standard(recipe=learner.recipe) else {"learner": repr(learner)}


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


def _tell(folder: Path, part: Part, unfinished: Iterable[Part], attacks: tuple[str, ...], output: Output) -> None:
    """Say what a part leaves to do, and what to do then."""
    chosen = [] if attacks == tuple(ATTACKS) else [word for name in attacks for word in ("--attacks", name)]
    command = shlex.join(["jaxattack", "report", str(folder), *chosen])
    names = [str(one) for one in unfinished]
    if output.json:
        print_json({"part": str(part), "unfinished": names, "then": command})
    say(output, f"Part {part} is finished; these are not: {', '.join(names)}. When they are: {command}")


def train(
    *,
    victim: SubjectOptions = _VICTIM,
    recipe: RecipeOptions = _RECIPE,
    learning: LearningOptions = _LEARNING,
    members: int | None = None,
    seed: int = 0,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Train one victim into a model folder: configuration, weights, members, accuracy.

    Example:

        jaxattack train --data digits --model softmax --out victim

    Args:
        members: records it is trained on, chosen at random; half of them by default.
        seed: decides everything random.
        out: the model folder; by default one in ./jaxattack-runs named after the settings.
    """
    learner = learner_from(learning.learner, recipe)
    settings = {**asdict(victim), **asdict(recipe), **_named(learner), "members": members, "seed": seed}
    folder = out or RUNS / f"victim-{slug(victim, settings)}"
    with progress(output) as shown:
        described = train_victim(folder, victim=victim, recipe=learner, members=members, seed=seed, progress=shown)
    if output.json:
        print_json(described)
    held_out = described["test_accuracy"]
    say(
        output,
        f"Trained on {described['members']} of {described['data']['records']} records: accuracy "
        f"{described['train_accuracy']:.3f} on them"
        + ("." if held_out is None else f", {held_out:.3f} on the others."),
    )
    say(output, f"Wrote the model to {folder}")


def score(
    observations: Path,
    /,
    *,
    attacks: tuple[str, ...] | None = None,
    declare: str | None = None,
    protocol: Protocol = PROTOCOLS[0],
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Attack models that any framework trained: an .npz of logits, probability or phi, member and label.

    `member` is 0 or 1 [model, record], `label` a number or a name [record], `logits` or `probability` [model, record,
    class] or [model, record, query, class]; or `phi` = log p_y - log(1 - p_y) [model, record] or [model, record, query].

    Args:
        observations: the .npz file.
        attacks: the attacks to run; by default all whose signals are there.
        declare: one of them, named before it is known which is the strongest, for the headline to speak of.
        protocol: independent, or leave-one-out as published: which models are a target's references.
        out: the report's folder; by default beside the file.
    """
    folder = out or observations.with_suffix(".report")
    read = read_observations(observations, attacks or ())
    able = [name for name, attack in ATTACKS.items() if {*attack.signals} <= {*read.signals}]
    chosen = under_protocol(able if attacks is None else attacks, protocol)
    declared = _declared(declare, protocol)
    with progress(output) as shown:
        values = score_observations(read, chosen, declare=declared, name=observations.name, progress=shown)
    publish(folder, values, output)


def report(
    run: Path,
    /,
    *,
    attacks: tuple[str, ...] = tuple(ATTACKS),
    declare: str | None = None,
    protocol: Protocol = PROTOCOLS[0],
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Attack the models of a run folder again and write its report anew; nothing is trained.

    A run that was stopped is scored as far as it went.

    Args:
        run: the run folder.
        attacks: the attacks to run; all by default.
        declare: one of them, named before it is known which is the strongest, for the headline to speak of.
        protocol: independent, or leave-one-out as published: which models are a target's references.
        out: the report's folder; the run folder by default.
    """
    chosen = under_protocol(attacks, protocol)
    with progress(output) as shown:
        found = rescore(run, chosen, declare=_declared(declare, protocol), progress=shown)
    publish(out or run, found.values, output, pictures=found.pictures)

"""The commands `membership`, `train`, `score` and `report`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit import Findings, MembershipAudit, Victim, read_observations, rescore, train_victim
from jaxattack.audit import membership as run_membership
from jaxattack.audit import score as score_observations
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, print_json, progress, publish, resumable, say, slug
from jaxattack.training import Placement, Recipe

VictimOptions = Annotated[Victim, flat("What is attacked")]
AuditOptions = Annotated[MembershipAudit, flat("The attack")]
RecipeOptions = Annotated[Recipe, flat("How it is trained")]
PlacementOptions = Annotated[Placement, flat("Speed (results stay the same)")]
_VICTIM, _RECIPE, _AUDIT, _PLACEMENT, _OUTPUT = Victim(), Recipe(), MembershipAudit(), Placement(), Output()


def membership(
    *,
    victim: VictimOptions = _VICTIM,
    recipe: RecipeOptions = _RECIPE,
    audit: AuditOptions = _AUDIT,
    placement: PlacementOptions = _PLACEMENT,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Who was in the training set? Train many models, attack every one, and write a report.

    Without options: 256 networks on scikit-learn's digits, every attack, in a minute or two.

    The run folder survives a kill: the same command goes on where it stopped, and a finished run is only scored again.

    Examples:

        jaxattack membership --data tfds:cifar10 --model wrn:28-2 --models 64 --queries 18 --flip --crop 4

        jaxattack membership --data records.npz --model mlp:128 --activation tanh --attacks lira-online --attacks rmia-offline

    Args:
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    settings = {
        **asdict(victim),
        **asdict(recipe),
        "design": audit.design,
        "queries": audit.queries,
        "seed": audit.seed,
    }
    folder = out or RUNS / slug(victim, settings)
    with progress(output) as shown, resumable(folder):
        found = run_membership(folder, victim=victim, recipe=recipe, audit=audit, placement=placement, progress=shown)
    publish(folder, found, output)


def train(
    *,
    victim: VictimOptions = _VICTIM,
    recipe: RecipeOptions = _RECIPE,
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
    settings = {**asdict(victim), **asdict(recipe), "members": members, "seed": seed}
    folder = out or RUNS / f"victim-{slug(victim, settings)}"
    with progress(output) as shown:
        described = train_victim(folder, victim=victim, recipe=recipe, members=members, seed=seed, progress=shown)
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
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Attack models that any framework trained: an .npz of logits or phi, member and label.

    `member` is 0 or 1 [model, record], `label` a whole number [record], `logits` [model, record, class] or
    [model, record, query, class]; or `phi` = log p_y - log(1 - p_y) [model, record] or [model, record, query].

    Args:
        observations: the .npz file.
        attacks: the attacks to run; by default all whose signals are there.
        out: the report's folder; by default beside the file.
    """
    folder = out or observations.with_suffix(".report")
    read = read_observations(observations, attacks or ())
    with progress(output) as shown:
        values = score_observations(read, attacks, name=observations.name, progress=shown)
    publish(folder, Findings(values, {}), output)


def report(
    run: Path,
    /,
    *,
    attacks: tuple[str, ...] = tuple(ATTACKS),
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Attack the models of a run folder again and write its report anew; nothing is trained.

    A run that was stopped is scored as far as it went.

    Args:
        run: the run folder.
        attacks: the attacks to run; all by default.
        out: the report's folder; the run folder by default.
    """
    with progress(output) as shown:
        found = rescore(run, attacks, progress=shown)
    publish(out or run, found, output)

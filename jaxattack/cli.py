"""The command `jaxattack`: options become configurations, configurations become an audit, an audit becomes a folder.

What is printed for people goes to standard error, so that ``--json`` leaves standard output to programs. Bad input ends
with one sentence and exit status 2, Ctrl-C with 130 after saying how to go on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
from cyclopts import App, Group, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit import (
    Findings,
    MembershipAudit,
    Victim,
    read_observations,
    rescore,
    train_victim,
)
from jaxattack.audit import (
    membership as run_membership,
)
from jaxattack.audit import (
    score as score_observations,
)
from jaxattack.data import load, names, save
from jaxattack.training import Placement, Recipe
from jaxattack.types import InputError

RUNS = Path("jaxattack-runs")

app = App(
    name="jaxattack",
    version=version("jaxattack"),
    help="Measure how much a trained model gives away. Start with: jaxattack membership",
    result_action="return_value",
    help_format="markdown",
    default_parameter=Parameter(negative=""),
)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What is printed.

    Attributes:
        quiet: print nothing but errors.
        json: print the findings as JSON on standard output, and nothing else there.
    """

    quiet: bool = False
    json: bool = False


def _flat(name: str) -> Parameter:
    return Parameter(name="*", group=Group.create_ordered(name))


VictimOptions = Annotated[Victim, _flat("What is attacked")]
AuditOptions = Annotated[MembershipAudit, _flat("The attack")]
RecipeOptions = Annotated[Recipe, _flat("How it is trained")]
PlacementOptions = Annotated[Placement, _flat("Speed (results stay the same)")]
OutputOptions = Annotated[Output, _flat("Output")]
_VICTIM, _RECIPE, _AUDIT, _PLACEMENT, _OUTPUT = Victim(), Recipe(), MembershipAudit(), Placement(), Output()


@app.command
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
    folder = out or RUNS / _slug(victim, settings)
    with _progress(output) as progress, _resumable(folder):
        found = run_membership(
            folder, victim=victim, recipe=recipe, audit=audit, placement=placement, progress=progress
        )
    _publish(folder, found, output)


@app.command
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
    folder = out or RUNS / f"victim-{_slug(victim, settings)}"
    with _progress(output) as progress:
        described = train_victim(folder, victim=victim, recipe=recipe, members=members, seed=seed, progress=progress)
    if output.json:
        print(json.dumps(described, indent=1))
    held_out = described["test_accuracy"]
    _say(
        output,
        f"Trained on {described['members']} of {described['data']['records']} records: accuracy "
        f"{described['train_accuracy']:.3f} on them"
        + ("." if held_out is None else f", {held_out:.3f} on the others."),
    )
    _say(output, f"Wrote the model to {folder}")


@app.command
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
    with _progress(output) as progress:
        values = score_observations(read, attacks, name=observations.name, progress=progress)
    _publish(folder, Findings(values, {}), output)


@app.command
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
    with _progress(output) as progress:
        found = rescore(run, attacks, progress=progress)
    _publish(out or run, found, output)


@app.command
def data(name: str | None = None, /, *, out: Path | None = None, json: bool = False) -> None:
    """List the data sets that are here, or describe one.

    Args:
        name: a data set: one of the list, tfds:NAME or FILE.npz.
        out: write it to this .npz file.
        json: print the description as JSON.
    """
    if name is None:
        if out is not None:
            raise InputError(f"out is {out} and no data set is named: name one.")
        _print_names(json)
        return
    found = load(name)
    described = {
        "name": found.name,
        "records": len(found),
        "shape": list(found.shape),
        "dtype": str(found.x.dtype),
        "classes": found.classes,
        "records_by_class": np.bincount(found.y, minlength=found.classes).tolist(),
    }
    if json:
        _print_json(described)
    else:
        for key, value in described.items():
            print(f"{key.replace('_', ' '):18}{value}")
    if out is not None:
        save(found, out)
        _say(Output(), f"Wrote {out}")


def _print_names(as_json: bool) -> None:
    listed = names()
    if as_json:
        _print_json(listed)
        return
    for name, line in listed.items():
        print(f"{name:26}{line}")
    print(
        f"{'tfds:NAME':26}a data set prepared by tensorflow-datasets, as tfds:cifar10 or tfds:mnist?split=train[:5000]"
    )
    print(f"{'FILE.npz':26}your own: x [record, ...], y [record], perhaps classes")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))


def _slug(victim: Victim, settings: dict[str, Any]) -> str:
    words = "".join(c if c.isalnum() else "-" for c in f"{Path(victim.data).stem}-{victim.model}").strip("-")
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{words}-{digest[:8]}"


def _say(output: Output, text: str) -> None:
    if not output.quiet:
        Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)


@contextmanager
def _progress(output: Output) -> Iterator[Any]:
    """A bar a phase, with the time that remains; standard error, so that output can be piped."""
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=output.quiet) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


@contextmanager
def _resumable(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        _say(Output(), f"Stopped. What was finished is kept in {folder}: the same command goes on from there.")
        raise


def _publish(folder: Path, found: Findings, output: Output) -> None:
    """Write the report, print its table, and say where everything is."""
    from jaxattack import report as pages  # drawing takes longer to import than the help takes to print

    values = found.values | {"command": shlex.join(["jaxattack", *sys.argv[1:]])}
    written = pages.write(folder, values, found.pictures)
    if output.json:
        _print_json(pages.read(folder))
    elif not output.quiet:
        Console(stderr=True).print(pages.table(values))
    _say(output, pages.headline(values))
    _say(output, f"Wrote {len(written)} files to {folder}; open {folder / 'report.html'}")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    """Run the command line and exit: 0, or 2 for bad input, or 130 when stopped."""
    if "JAX_NUM_CPU_DEVICES" not in os.environ and sys.argv[1:2] == ["membership"]:
        # One virtual device a core: XLA spreads one small model's operations over cores badly, models over devices well.
        jax.config.update("jax_num_cpu_devices", cores())
    try:
        app()
    except InputError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"jaxattack: {error}", markup=False)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.flush()
        # The runtime would finish the chunk it is computing before the interpreter may end.
        os._exit(130)

"""The command `train`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from jaxattack.audit import train_victim
from jaxattack.cli.output import RUNS, Printing, PrintingOptions, keep_options, print_json, progress, say
from jaxattack.cli.words import Learning, LearningOptions, RecipeOptions, Subject, SubjectOptions, named_learner, slug
from jaxattack.training import Recipe

_SUBJECT, _RECIPE, _LEARNING, _OUTPUT = Subject(), Recipe(), Learning(), Printing()


def train(
    *,
    subject: SubjectOptions = _SUBJECT,
    recipe: RecipeOptions = _RECIPE,
    learning: LearningOptions = _LEARNING,
    members: int | None = None,
    seed: int = 0,
    force: bool = False,
    output: PrintingOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Train one victim into a model folder: configuration, weights, members, accuracy.

    A folder that holds another model is refused, unless --force is given; one that holds the same model is left as it is.

    Example:

        jaxattack train --data digits --model softmax --out victim

    Args:
        members: records it is trained on, chosen at random; half of them by default.
        seed: decides everything random.
        force: train whatever the folder holds, and replace the model that is there.
        out: the model folder; by default one in ./jaxattack-runs named after the settings.
    """
    learner = learning.value(recipe)
    settings = {**asdict(subject), **asdict(recipe), **named_learner(learner), "members": members, "seed": seed}
    folder = out or RUNS / f"victim-{slug(subject, settings)}"
    there = (folder / "model.json").exists() and not force
    with progress(output) as report:
        described = train_victim(
            folder, model=subject.source(), dataset=subject.dataset(), records=subject.records,
            standardise=subject.standardise, learner=learner, members=members, seed=seed, replace=force,
            progress=report,
        )  # fmt: skip
    keep_options(folder, output)
    if output.json:
        print_json(described)
    held_out = described["test_accuracy"]
    say(
        output,
        f"Trained on {described['members']} of {described['data']['records']} records: accuracy "
        f"{described['train_accuracy']:.3f} on them"
        + ("." if held_out is None else f", {held_out:.3f} on the others."),
    )
    say(
        output,
        f"{folder} holds this model already: it was not trained again." if there else f"Wrote the model to {folder}",
    )

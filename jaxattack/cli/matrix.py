"""The command `matrix`."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NamedTuple

import jax
from cyclopts import Parameter

from jaxattack.attacks.extraction import lookup as extraction_attack
from jaxattack.attacks.inversion import lookup as inversion_attack
from jaxattack.attacks.membership import PROTOCOLS
from jaxattack.audit import MatrixAudit
from jaxattack.audit.matrix import run_matrix
from jaxattack.audit.matrix.forecast import forecast_matrix
from jaxattack.audit.matrix.plan import NONE
from jaxattack.cli.columns import DROPOUT, columns_from
from jaxattack.cli.forecast import print_matrix_forecast
from jaxattack.cli.options import Words
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, progress, publish, resumable, say
from jaxattack.cli.values import attacks_from
from jaxattack.cli.words import RecipeOptions, Subject, SubjectOptions, has_place, slug
from jaxattack.data.designs import design
from jaxattack.defences import DEFENCES
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import LEARNERS, Standard
from jaxattack.types import InputError, config


class Rows(NamedTuple):
    """What is crossed where nothing is said."""

    defences: tuple[str, ...]
    attacks: tuple[str, ...]
    extractions: tuple[str, ...]
    inversions: tuple[str, ...]


_OF_PICTURES = "augmentation-translation"

USUAL = Rows(
    defences=(
        "none",
        "round:1",
        "label",
        "noise:0.1",
        "reverse-sigmoid",
        "purifier",
        "hamp",
        "relaxloss?alpha=0.3",
        "dp-sgd?noise=0.5",
        "dropout:0.5",
        "mixup",
    ),
    attacks=(
        "lira-online",
        "lira-online-bayes",
        "lira-offline",
        "rmia-online",
        "rmia-offline",
        "attack-r",
        "attack-p",
        "calibration",
        "loss",
        "entropy",
        "modified-entropy-classwise",
        "risk-score",
        "ml-leaks-1",
        "noise?copies=50",
        _OF_PICTURES,
        "gap",
    ),
    extractions=("uniform-retraining?budget=1000&substitute=mlp:64", "knockoff-random?budget=250"),
    inversions=("numeric?steps=50", "boundary?directions=16&first=2000&prior.steps=500"),
)
"""The command without words: sixteen membership attacks, two extractions and two inversions on ten defences and none.

Left out for their price: MemGuard, which searches for 2,100 steps an answer (16 CPU seconds a model), and attacks that ask for
confidences a hundred times a record, as merlin.
"""

DefendWords = Annotated[
    Words,
    Parameter(
        help=f"The columns, a word each: none; a defence of the answers ({', '.join(DEFENCES)}); how models learn "
        f"({', '.join(LEARNERS)}); dropout:0.5; or several joined by +, as relaxloss?alpha=0.5+round:2. A defence's "
        "value follows a colon; its other fields, and all of a learner's, a question mark. A name that is a learner and a "
        "defence, as hamp, means both together, as published. The undefended column is always there. By default without "
        f"{DROPOUT}:0.5 where a network has no place for it."
    ),
]


@config
class Crossed:
    """What is crossed with what.

    Attributes:
        defend: the columns.
        attacks: on membership, the rows; `jaxattack attacks membership` lists them. A name may set fields, as
            rmia-offline?a=tuned. The gap attack, the floor of all others, is always there. By default, of tables, all but
            augmentation-translation, which moves pictures.
        extractions: attacks that steal model 0 of each column, through what it answers; none for none.
        inversions: attacks that make a record of each class back from it; none for none.
        models: of each column; all of them are references. At least 4.
        targets: how many of them are attacked.
        design: who is in: halves, exact, poisson:0.5, sized:1200 or mask:FILE.npy; the same in every column.
        repetitions: answers to the same question that are averaged, where a defence draws them afresh.
        budget: queries of an extraction, at most; by default what each asks by itself.
        reserve: the share of all records that every column sets aside, in no model and not scored. As much as a learner or a
            defence wants for itself, as dmp or memguard?reserve=0.3, lets undefended models attack that column too.
        seed: decides everything random.
    """

    defend: DefendWords = USUAL.defences
    attacks: Words = USUAL.attacks
    extractions: Words = USUAL.extractions
    inversions: Words = USUAL.inversions
    models: int = 32
    targets: int = 16
    design: str = "halves"
    repetitions: int = 16
    budget: int | None = None
    reserve: float = 0.0
    seed: int = 0

    def audit(self, subject: Subject, recipe: Recipe) -> MatrixAudit:
        """What all the words mean.

        Raises:
            InputError: a word that means nothing, or a value out of range.
        """
        source, dataset = subject.source(), subject.dataset()
        usual = self.attacks == USUAL.attacks and not dataset.images
        attacks = tuple(word for word in self.attacks if not (usual and word == _OF_PICTURES))
        placeless = self.defend == USUAL.defences and not has_place(source, DROPOUT)
        defend = tuple(word for word in self.defend if not (placeless and word.startswith(DROPOUT)))
        return MatrixAudit(
            model=source,
            dataset=dataset,
            columns=columns_from(defend, recipe, source),
            attacks=attacks_from(attacks, PROTOCOLS[0]),
            extractions=tuple(map(extraction_attack, _but_none("extractions", self.extractions))),
            inversions=tuple(map(inversion_attack, _but_none("inversions", self.inversions))),
            learner=Standard(recipe=recipe),
            records=subject.records,
            standardise=subject.standardise,
            design=design(self.design),
            models=self.models,
            targets=self.targets,
            repetitions=self.repetitions,
            budget=self.budget,
            reserve=self.reserve,
            seed=self.seed,
        )


def _but_none(name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    if NONE in words and {*words} != {NONE}:
        raise InputError(f"{name} is {' '.join(words)}: {NONE} stands alone; leave it out, or the attacks.")
    return () if NONE in words else words


CrossedOptions = Annotated[Crossed, flat("What is crossed")]
PlacementOptions = Annotated[Placement, flat("Speed (results stay the same to rounding)")]
_SUBJECT, _RECIPE, _CROSSED, _PLACEMENT, _OUTPUT = Subject(), Recipe(), Crossed(), Placement(), Output()


def matrix(
    *,
    subject: SubjectOptions = _SUBJECT,
    recipe: RecipeOptions = _RECIPE,
    crossed: CrossedOptions = _CROSSED,
    placement: PlacementOptions = _PLACEMENT,
    output: OutputOptions = _OUTPUT,
    cluster: str | None = None,
    dry_run: bool = False,
    out: Path | None = None,
) -> None:
    """What does a defence buy, against which attack? Every attack on every defence, on one page.

    Without options: sixteen membership attacks, two extractions and two inversions on ten defences of networks on
    scikit-learn's digits, in some four minutes on two cores.

    Every defended column is attacked by references that are trained without the defence (static) and with it (adaptive), and
    with repeated questions where its answers are random. The folder survives a kill: the same command goes on where it
    stopped, and one more column or attack costs its own cells alone.

    Examples:

        jaxattack matrix --defend none --defend round:2 --defend relaxloss?alpha=1.0 --attacks lira-online rmia-offline loss

        jaxattack matrix --defend hamp memguard label noise:0.1 --extractions none --inversions none --models 64

        jaxattack matrix --data records.npz --model mlp:128 --defend dropout:0.5 mixup+round:2 --out matrix-run

    Args:
        cluster: train on a Ray cluster, as `jaxattack membership` has it; the models are asked and attacked here.
        dry_run: say what would be trained, in what memory, disk and time, and end. A chunk of each learner's models is
            trained for an epoch for it.
        out: the folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("matrix")
    audit = crossed.audit(subject, recipe)
    # Columns and attacks do not name the folder: with more of them it is gone on with.
    settings = {
        **asdict(subject),
        **asdict(recipe),
        "matrix": True,
        "design": crossed.design,
        "seed": crossed.seed,
    }
    folder = out or RUNS / f"matrix-{slug(subject, settings)}"
    if dry_run:
        if cluster:
            raise InputError(f"cluster is {cluster} and dry-run measures this machine: leave one out.")
        if output.fail_above:
            raise InputError(f"fail-above is {' '.join(output.fail_above)} and dry-run finds no figure: leave one out.")
        print_matrix_forecast(forecast_matrix(folder, audit, placement=placement), output)
        return
    if cluster:
        jax.config.update("jax_platforms", "cpu")  # the workers', not the driver's, are this machine's accelerators
    # Ray prints what happens to its machines on standard output, which is for programs.
    with redirect_stdout(sys.stderr), progress(output) as report_progress, resumable(folder):
        result = run_matrix(folder, audit, placement=placement, cluster=cluster, progress=report_progress)
    say(output, f"The models are in {folder / 'sweeps'}, what was measured in {folder / 'cells'}: both are used again.")
    publish(folder, result.findings, output)

"""The command `own`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from jaxattack.attacks.naming import named
from jaxattack.attacks.ownership import ATTACKS, lookup
from jaxattack.audit.ownership import OwnershipAudit, run_ownership
from jaxattack.cli.options import Words
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, progress, publish, resumable, say
from jaxattack.cli.words import RecipeOptions, Subject, SubjectOptions, slug
from jaxattack.training import Recipe
from jaxattack.training.copies import COPIES
from jaxattack.training.learners import Standard
from jaxattack.types import InputError, config

USUAL = (
    "rank-lira",
    "rank-label",
    "dataset-inference?records=40&training=200",
    "blind-walk?records=50",
    "ipguard",
    "conferrable",
    "watermark",
    "entangled-watermark",
)
"""The tests where nothing is said: dataset inference on fewer records than its own settings have, since each of seventy suspects
takes a second with all of them."""

TestWords = Annotated[
    Words,
    Parameter(help=f"Tests of ownership: {', '.join(ATTACKS)}. A name may set fields, as rank-lira?records=200."),
]
CopyWords = Annotated[
    Words,
    Parameter(
        help=f"How thieves make their models: {', '.join(COPIES)}. A name may set fields, as prune?share=0.8, "
        "fine-tune-all?learning_rate=0.01 or retrain-other?network=mlp:32."
    ),
]


@config
class Owning:
    """Which tests are held against whom.

    Attributes:
        tests: of ownership.
        copies: how thieves make their models.
        seeds: copies of each kind.
        independents: models of people that the owner has nothing to do with, of his architecture; at least 2.
        others: of another architecture.
        overlapping: of people part of whose records are the owner's.
        overlap: that part.
        other: the other architecture.
        references: that the owner trains himself, for tests that need some.
        surrogates: copies that he makes himself of each of two kinds, for tests that need some.
        members: records of the owner; a quarter of all by default.
        held_out: records that nobody is trained on; a fifth of all by default.
        seed: decides everything random.
    """

    tests: TestWords = USUAL
    copies: CopyWords = tuple(COPIES)
    seeds: int = 3
    independents: int = 30
    others: int = 10
    overlapping: int = 3
    overlap: float = 0.5
    other: str = "mlp:64-64"
    references: int = 39
    surrogates: int = 4
    members: int | None = None
    held_out: int | None = None
    seed: int = 0

    def audit(self, subject: Subject, recipe: Recipe) -> OwnershipAudit:
        """What all the words mean.

        Raises:
            InputError: a word that means nothing, or a value out of range.
        """
        if subject.standardise != "members":
            raise InputError(
                f"standardise is {subject.standardise} and columns are scaled by records of the public here: leave it out, or "
                "scale the table."
            )
        fields = {name: getattr(self, name) for name in asdict(self) if name not in ("tests", "copies")}
        return OwnershipAudit(
            model=subject.source(),
            dataset=subject.dataset(),
            learner=Standard(recipe=recipe),
            tests=tuple(map(lookup, self.tests)),
            copies=tuple(named(word, COPIES, "way to make a copy") for word in self.copies),
            records=subject.records,
            **fields,
        )


OwningOptions = Annotated[Owning, flat("What is tested on whom")]
_SUBJECT, _RECIPE, _OWNING, _OUTPUT = Subject(model="mlp:128"), Recipe(), Owning(), Output()


def own(
    *,
    subject: SubjectOptions = _SUBJECT,
    recipe: RecipeOptions = _RECIPE,
    owning: OwningOptions = _OWNING,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """Can its owner prove a theft? Copy a model as thieves do, and hold tests of ownership against copies and the innocent.

    Without options: a network on scikit-learn's digits is fine-tuned, pruned, quantised, distilled, extracted and retrained,
    and every test is held against the copies and against thirty models of independent people, whom it must not accuse.

    The page says first what each test says of the owner's own model: a test without power on that proves nothing. The folder
    survives a kill: the same command goes on where it stopped, and one more test or copy costs its own work alone.

    Examples:

        jaxattack own --tests rank-lira rank-label

        jaxattack own --copies "prune?share=0.9" int8 extract-label --seeds 5

        jaxattack own --data records.npz --model mlp:64 --members 1000 --out own-run

    Args:
        out: the folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("ownership")
    audit = owning.audit(subject, recipe)
    # Tests and copies do not name the folder: with more of them it is gone on with.
    settings = {**asdict(subject), **asdict(recipe), **asdict(owning)}
    del settings["tests"], settings["copies"]
    folder = out or RUNS / f"own-{slug(subject, settings)}"
    with progress(output) as report_progress, resumable(folder):
        result = run_ownership(folder, audit, progress=report_progress)
    say(output, f"Models, evidence and proofs are in {folder}: they are used again.")
    publish(folder, result.findings, output)

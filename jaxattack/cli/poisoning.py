"""The command `poison`."""

from __future__ import annotations

import math
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from jaxattack.attacks.poisoning import lookup
from jaxattack.audit.retraining import PoisonAudit
from jaxattack.audit.retraining.run import run_poisoning
from jaxattack.audit.retraining.split import keep_classes
from jaxattack.cli.choices import explained
from jaxattack.cli.options import Numbers, Words
from jaxattack.cli.output import RUNS, Output, OutputOptions, flat, progress, publish, resumable
from jaxattack.cli.words import (
    Learning,
    LearningOptions,
    RecipeOptions,
    Subject,
    SubjectOptions,
    named_learner,
    slug,
)
from jaxattack.data.sanitise import SANITISERS
from jaxattack.training import Placement, Recipe
from jaxattack.types import InputError, config

USUAL = ("flip-random", "flip-influence", "badnets", "poison-frogs-watermark")
USUAL_OF_TABLES = tuple(name for name in USUAL if name != "badnets")


@config
class Poisoning:
    """What is put into the training set, and how it is judged.

    Attributes:
        method: attacks, a word each; by default flip-random flip-influence badnets poison-frogs-watermark, without badnets
            where records are no images. A name may set fields, as badnets?size=3.
        shares: of poison, of the number of clean training records, as 0.01 0.1.
        seeds: victims trained from scratch on each training set.
        targets: records that shall be taken for another class, for attacks that are after single records.
        sanitise: filters of the training set, each beside none: sphere, slab, sphere-slab.
        frozen: victims train a last layer alone, on the features of a public network, which the attacker has.
        leakage: models of a sweep that shows what badnets does to membership, at least 8; none by default.
        classes: keep the records of these classes alone, as 1 7; minimax and the certificate are for two.
        seed: decides everything random.
    """

    method: Words = ()
    shares: Words = ("0.01", "0.03", "0.1")
    seeds: int = 8
    targets: int = 4
    sanitise: Words = ()
    frozen: bool = False
    leakage: int = 0
    classes: Numbers = ()
    seed: int = 0

    def audit(self, subject: Subject, recipe: Recipe, learning: Learning) -> PoisonAudit:
        """What the words mean.

        Raises:
            InputError: a word that means nothing, or a value out of range.
        """
        dataset = subject.dataset()
        if self.classes:
            dataset = keep_classes(dataset, self.classes)
        unknown = [name for name in self.sanitise if name not in SANITISERS]
        if unknown:
            near = get_close_matches(unknown[0], SANITISERS, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(f"sanitise is {unknown[0]!r}{hint}: choose from {', '.join(SANITISERS)}.")
        methods = self.method or (USUAL if dataset.images else USUAL_OF_TABLES)
        audit = PoisonAudit(
            model=subject.source(),
            dataset=dataset,
            attacks=tuple(map(lookup, methods)),
            learner=learning.value(recipe),
            shares=tuple(map(_share, self.shares)),
            seeds=self.seeds,
            targets=self.targets,
            sanitise=tuple(SANITISERS[name] for name in self.sanitise),
            frozen=self.frozen,
            leakage=self.leakage,
            records=subject.records,
            standardise=subject.standardise,
            seed=self.seed,
        )
        if self.targets != type(self).targets and not audit.targeted:
            raise InputError(
                f"targets is {self.targets} and no attack of {', '.join(audit.names)} is after single records: leave targets out, or "
                "add one that is, as poison-frogs-watermark."
            )
        return audit


def _share(word: str) -> float:
    try:
        share = float(word)
    except ValueError:
        share = math.nan
    if math.isnan(share):
        raise InputError(f"shares has {word!r}: give shares of the training set, as 0.01 0.1.")
    return share


PoisoningOptions = Annotated[Poisoning, flat("The poison")]
PlacementOptions = Annotated[Placement, flat("Speed (results stay the same to rounding)")]
_SUBJECT, _RECIPE, _LEARNING = Subject(), Recipe(), Learning()
_POISONING, _PLACEMENT, _OUTPUT = Poisoning(), Placement(), Output()


@explained
def poison(
    *,
    subject: SubjectOptions = _SUBJECT,
    recipe: RecipeOptions = _RECIPE,
    learning: LearningOptions = _LEARNING,
    poisoning: PoisoningOptions = _POISONING,
    placement: PlacementOptions = _PLACEMENT,
    output: OutputOptions = _OUTPUT,
    out: Path | None = None,
) -> None:
    """What does poison in the training set do? Train victims from scratch on it, and write a report.

    Without options: four attacks on networks and scikit-learn's digits, at three shares of poison, eight seeds each.

    Half of the records are trained on, a quarter is the attacker's, a quarter judges. All shares, seeds, targets and filters
    are one sweep, in a folder that survives a kill.

    POISONINGS

    Examples:

        jaxattack poison --method badnets --shares 0.005 0.01 0.02 --leakage 64

        jaxattack poison --data breast_cancer --model softmax --method minimax flip-influence --sanitise sphere-slab

        jaxattack poison --data mnist.npz --classes 1 7 --model softmax --method minimax --shares 0.03

        jaxattack poison --method poison-frogs --frozen --shares 0.002

    Args:
        out: the run folder; by default one in ./jaxattack-runs named after the settings.
    """
    output.check("poisoning")
    audit = poisoning.audit(subject, recipe, learning)
    settings = {**asdict(subject), **asdict(recipe), **named_learner(audit.learner), **asdict(poisoning)}
    folder = out or RUNS / f"poison-{slug(subject, settings)}"
    with progress(output) as report, resumable(folder):
        result = run_poisoning(folder, audit, placement=placement, progress=report)
    publish(folder, result.findings, output, pictures=result.pictures)

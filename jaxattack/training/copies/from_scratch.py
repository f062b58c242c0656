"""Copies that are trained from scratch: on the victim's answers, by the victim as a teacher, or on the victim's own records.

distil-public    by the victim's softened answers and labels, on the thief's own records
distil-members   the same on the victim's records
extract-label    on the labels that the victim answers, through an oracle
extract-logit    on the confidences that it answers
retrain          on the victim's records and labels
retrain-other    the same, of another architecture
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxattack.models import Architecture, ModelSource
from jaxattack.training.copies.copying import Records
from jaxattack.training.learners.answers import learn_answers
from jaxattack.training.learners.distillation import Distillation
from jaxattack.training.learners.standard import Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Level, above_zero, at_least, config


class FromScratch:
    """What copies that are trained from scratch have in common: the victim's architecture and recipe."""

    weights: bool = False
    records: Records = "own"
    level: Level | None = None
    questions: int = 0
    random = True

    def architecture(self, source: ModelSource) -> ModelSource:
        """The victim's, which a thief may guess."""
        return source

    def recipe(self, recipe: Recipe) -> Recipe:
        """The victim's."""
        return recipe

    def steps(self, recipe: Recipe, records: int) -> int:
        """As `Copy`."""
        return self.recipe(recipe).steps(records)


@config
class Distilled(FromScratch):
    """A student of the victim, whose logits on his records the thief computes from its weights.

    Attributes:
        of: whose records: public, the thief's own, or members, the victim's.
        temperature: of the softened answers, above 0.
        share: of the loss that is the teacher's, 0 to 1; the rest is the labels'.

    Raises:
        InputError: a value out of range.
    """

    paper = "Hinton et al. 2015, arXiv 1503.02531"
    weights = True

    of: Literal["public", "members"] = "public"
    temperature: float = 4.0
    share: float = 0.9

    def __post_init__(self) -> None:
        above_zero(temperature=self.temperature)
        if not 0 <= self.share <= 1:
            raise InputError(f"share is {self.share}: give the teacher's share of the loss, 0 to 1.")

    @property
    def name(self) -> str:
        """``distil-public`` or ``distil-members``."""
        return f"distil-{self.of}"

    @property
    def formula(self) -> Distilled:
        """Whose records are learnt from does not matter."""
        return dataclasses.replace(self, of="public")

    @property
    def records(self) -> Records:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The thief's own, or the victim's."""
        return "own" if self.of == "public" else "victim"

    def __call__(self, model, recipe, holding, member, key):
        """As `Copy`."""
        way = Distillation(recipe=recipe, temperature=self.temperature, share=self.share)
        return way.student(model, holding.victim, holding.x, holding.y, member, key)


@config
class Extracted(FromScratch):
    """A student of what the victim answers about the thief's own records, asked once each; no label of theirs is read.

    Attributes:
        answers: label, the most likely class alone; or logit, the confidences, which logits are up to a shift.
        budget: questions, at most; fewer where the thief has fewer records.

    Raises:
        InputError: a value out of range.
    """

    paper = "Orekondy et al. 2019, arXiv 1812.02766"

    answers: Literal["label", "logit"] = "logit"
    budget: int = 1000

    def __post_init__(self) -> None:
        at_least(1, budget=self.budget)

    @property
    def name(self) -> str:
        """``extract-label`` or ``extract-logit``."""
        return f"extract-{self.answers}"

    @property
    def formula(self) -> Extracted:
        """Answers are distributions, whatever was answered."""
        return Extracted()

    @property
    def level(self) -> Level:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Labels, or confidences."""
        return "label" if self.answers == "label" else "probability"

    @property
    def questions(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The budget."""
        return self.budget

    def __call__(self, model, recipe, holding, member, key):
        """As `Copy`."""
        return learn_answers(model, recipe, holding.x, member.index, member.weight, holding.answers[member.index], key)


@config
class Retrained(FromScratch):
    """A model trained on the victim's records and labels, as a thief of the data trains one.

    Attributes:
        network: an `jaxattack.models.Architecture` by name; empty for the victim's.
    """

    paper = "Maini et al. 2021, arXiv 2104.10706, table 1 (data access)"

    network: str = ""

    def __post_init__(self) -> None:
        if self.network:
            Architecture(name=self.network)

    @property
    def name(self) -> str:
        """``retrain`` or ``retrain-other``."""
        return "retrain-other" if self.network else "retrain"

    @property
    def formula(self) -> Retrained:
        """The network is handed over."""
        return Retrained()

    @property
    def records(self) -> Records:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The victim's."""
        return "victim"

    def architecture(self, source: ModelSource) -> ModelSource:
        """The victim's, or the other."""
        return Architecture(name=self.network) if self.network else source

    def __call__(self, model, recipe, holding, member, key):
        """As `Copy`."""
        return Standard(recipe=recipe)(model, holding.x, holding.y, member, key)

"""What is asked of a victim's records, and what an attack is handed and is to find: the nouns of an audit of a reconstruction.

`jaxattack.audit.attackers` makes an `Experiment` of a `Case`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.reconstruction import (
    Knowledge,
    Span,
    Update,
)
from jaxattack.attacks.reconstruction.property import OfClasses, Property
from jaxattack.audit.known_scale import Scale
from jaxattack.audit.victim import Victim, input_ranges
from jaxattack.data import unscaled_columns
from jaxattack.models import takes_scale
from jaxattack.training import Recipe
from jaxattack.types import (
    Dataset,
    Defence,
    InputError,
    Inputs,
    Oracle,
    Progress,
    ReconstructionAttack,
    WhiteBox,
    at_least,
    config,
)


@config
class Question:
    """What is asked of a victim's records.

    Attributes:
        targets: how many are attacked, at most; of an attribute so many members, and so many others.
        secret: the column of the attribute, counted from 0; several for one that is one-hot.
        has: the property whose share is asked for.
        recipe: how the victims and the shadow models that an audit trains are trained.
        update: how a victim is updated on one more record.
        defences: before its answers, the first nearest to the model.

    Raises:
        InputError: a value out of range.
    """

    targets: int = 200
    secret: tuple[int, ...] = ()
    has: Property = OfClasses()
    recipe: Recipe = Recipe()
    update: Update = Update()
    defences: tuple[Defence, ...] = ()

    def __post_init__(self) -> None:
        at_least(1, targets=self.targets)


class Experiment(NamedTuple):
    """What an attack is handed, and what it is to find.

    Attributes:
        knowledge: what it is handed.
        index: Int["target"], the record of each in the data set; of a property the number of the model.
        truth: Shaped["target *feature"], by the attack's goal: the value's index, the record, the label or the share.
        others: Int["record"], the records that a baseline knows.
        member: Bool["target"], which targets the victim was trained on; None where the question does not arise.
        label: Int["target"], of records; None elsewhere.
        models: victims that were trained for this.
        question: what was asked for, in words, where the goal does not say it.
        scale: on which the attacker's records and reconstructions are; None for as they were measured.
    """

    knowledge: Knowledge
    index: Int[np.ndarray, "target"]
    truth: Shaped[np.ndarray, "target *feature"]
    others: Int[np.ndarray, "record"]
    member: Bool[np.ndarray, "target"] | None = None
    label: Int[np.ndarray, "target"] | None = None
    models: int = 0
    question: str = ""
    scale: Scale | None = None


class Case(NamedTuple):
    """A victim, and what is asked.

    Attributes:
        attack: what is tried.
        victim: on what.
        dataset: its records as floats, in the units that it documents.
        member: those that it was trained on.
        question: what is asked.
        oracle: what is asked of it, where anything is.
        seed: decides which records are targets, and what the audit trains.
        budget: queries, at most.
        progress: called while victims are trained.
    """

    attack: ReconstructionAttack
    victim: Victim
    dataset: Dataset
    member: np.ndarray
    question: Question
    oracle: Oracle
    seed: int
    budget: int | None
    progress: Progress | None

    @property
    def inputs(self) -> Inputs:
        """What the victim documents of its records."""
        assert self.victim.dataset is not None
        return input_ranges(self.victim.dataset.x)

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Members, records of the other half of the rest, and of the attacker's half, each in random order.

        Raises:
            InputError: fewer than four records are no members.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, 1)))
        inside, outside = (rng.permutation(np.flatnonzero(side)) for side in (self.member, ~self.member))
        if len(outside) < 4:
            raise InputError(
                f"{len(outside)} records of {self.dataset.name} are no members of {self.victim.name}: what an attacker without "
                "the model knows is learnt from those: give fewer members."
            )
        return inside, outside[len(outside) // 2 :], outside[: len(outside) // 2]

    def network(self) -> WhiteBox:
        """The victim's weights.

        Raises:
            InputError: it is no network of this package.
        """
        if self.victim.inside is None:
            raise InputError(
                f"{self.attack.name} needs a network and {self.victim.name} is none: give softmax or mlp:16."
            )
        return self.victim.inside

    @property
    def columns(self) -> tuple[bool, ...]:
        """The columns far from one scale, of a table and a network whose weights can take their scale up; none elsewhere."""
        inside, dataset = self.victim.inside, self.victim.dataset
        assert dataset is not None
        bytes_of = dataset.x.dtype == np.uint8  # which a network takes from -1 to 1 by itself
        return () if inside is None or bytes_of or not takes_scale(inside.variables) else unscaled_columns(dataset)

    def on_scale(self, known: Int[np.ndarray, "record"]) -> tuple[Dataset, Scale | None]:
        """The records for networks of the audit's own, with `columns` on the scale of those that the attacker knows."""
        if not self.columns:
            return self.dataset, None
        scale = Scale.of(self.dataset, known, self.columns)
        return scale.on(self.dataset), scale


def numbers(dataset: Dataset) -> Dataset:
    """The same records as float32, in the same units."""
    return replace(dataset, x=dataset.x.astype(np.float32))


def span_of(case: Case) -> Span:
    """What records range over as the network takes them: pictures of bytes from -1 to 1, others as they are documented."""
    assert case.victim.dataset is not None
    if case.victim.dataset.x.dtype == np.uint8:
        return Span(np.full(case.inputs.shape, -1.0), np.full(case.inputs.shape, 1.0))
    return Span(case.inputs.low, case.inputs.high)


def in_units(
    case: Case, experiment: Experiment, value: Float[np.ndarray, "record *feature"]
) -> Float[np.ndarray, "record *feature"]:
    """Records as the victim documents them, of those that an attack made in the units of the span or on the scale of its own."""
    if experiment.scale is not None:
        return experiment.scale.off(value)
    if "span" not in case.attack.needs:
        return value
    span, inputs = span_of(case), case.inputs
    shaped = value.reshape(-1, *inputs.shape)
    return inputs.low + (shaped - span.low) / (span.high - span.low) * (inputs.high - inputs.low)

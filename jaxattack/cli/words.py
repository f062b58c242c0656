"""Groups of options that several commands share, and what their words are as values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from jaxattack.audit.model_source import is_factory, load_factory
from jaxattack.audit.records import Standardise
from jaxattack.cli.output import flat
from jaxattack.cli.values import DefenceNames, LearnerName, defences_from, learner_from
from jaxattack.data import load
from jaxattack.models import Architecture
from jaxattack.models.nets import Activation
from jaxattack.models.source import ModelSource
from jaxattack.training import Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import Dataset, Defence, InputError, Learner, config


@config
class Subject:
    """What a model is, and on what it is trained.

    Attributes:
        data: digits, iris, wine, breast_cancer, tfds:NAME, synthetic:NAME, or your own FILE.npz, FILE.csv, FILE.parquet or
            FOLDER of pictures; `jaxattack data` lists them.
        layout: nchw for an .npz of pictures whose channels come first.
        scale: what stands for full brightness in an .npz of pictures that are no bytes, such as 1.
        records: use this many of its records, chosen at random; all by default.
        model: softmax, mlp:256-128, cnn:16-32, lenet:12, resnet:20, wrn:28-2, resnet9:32, or package.module:factory:
            a Flax NNX class that takes rngs, or a function called as factory(shape, classes) for a jaxattack Model.
        activation: between the layers of mlp and cnn.
        dropout: share of units dropped while training.
        standardise: members, for columns of a table that are far from one scale: each model takes off its own members'
            mean and divides by their standard deviation; or none, for columns as they are.

    Raises:
        InputError: fewer than 4 records.
    """

    data: str = "digits"
    layout: Literal["nhwc", "nchw"] | None = None
    scale: float | None = None
    records: int | None = None
    model: str = "mlp:256"
    activation: Activation = "relu"
    dropout: float = 0.0
    standardise: Standardise = "members"

    def __post_init__(self) -> None:
        if self.records is not None and self.records < 4:
            raise InputError(f"records is {self.records}: give at least 4.")

    @property
    def named_data(self) -> str | None:
        """The data set, where somebody named it."""
        return None if self.data == type(self).data else self.data

    def source(self) -> ModelSource:
        """The model.

        Raises:
            InputError: an unknown architecture, a factory that cannot be imported, or settings that a factory has no use for.
        """
        if not is_factory(self.model):
            return used(Architecture(name=self.model, activation=self.activation, dropout=self.dropout))
        for name, value, usual in (("activation", self.activation, "relu"), ("dropout", self.dropout, 0.0)):
            if value != usual:
                raise InputError(f"{name} is {value} and {self.model} makes its own layers: leave {name} out.")
        return load_factory(self.model)

    def dataset(self) -> Dataset:
        """The data set, of which `records` may be chosen.

        Raises:
            InputError: there is none of that name, or it cannot be read.
        """
        return load(self.data, layout=self.layout, scale=self.scale)


_USED = {"activation": ("mlp", "cnn"), "dropout": ("mlp", "cnn", "resnet", "wrn")}
"""Networks by what is between or before their layers (`jaxattack.models.nets`)."""


def has_place(source: ModelSource, name: str) -> bool:
    """Whether a model is a network that an activation or dropout changes.

    Args:
        source: of the model.
        name: activation or dropout.
    """
    return isinstance(source, Architecture) and source.name.partition(":")[0] in _USED[name]


def used(architecture: Architecture) -> Architecture:
    """The architecture, whose settings change its network.

    Raises:
        InputError: an activation or dropout of a network that has no place for it.
    """
    for name, kinds in _USED.items():
        value = getattr(architecture, name)
        if value != getattr(Architecture, name) and not has_place(architecture, name):
            raise InputError(
                f"{name} is {value} and {architecture.name} has no place for it: leave {name} out, or give {kinds[0]}:256."
            )
    return architecture


@config
class Learning:
    """How it learns.

    Attributes:
        learner: a name in `jaxattack.training.learners.LEARNERS`, which may set fields.
    """

    learner: LearnerName = "standard"

    def value(self, recipe: Recipe) -> Learner:
        """The learner, with a recipe."""
        return learner_from(self.learner, recipe)


@config
class Defending:
    """What stands before its answers.

    Attributes:
        defend: names in `jaxattack.defences.DEFENCES`, which may set fields. Attacks that read more than is answered then
            are not run, and named.
    """

    defend: DefenceNames = ()

    def value(self) -> tuple[Defence, ...]:
        """The defences."""
        return defences_from(self.defend)


def slug(subject: Subject, settings: dict[str, Any]) -> str:
    """The name of a run's folder: its data, its model, and a digest of everything that decides the result."""
    words = "".join(c if c.isalnum() else "-" for c in f"{Path(subject.data).stem}-{subject.model}").strip("-")
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{words}-{digest[:8]}"


TRAINED = flat("How it is trained")
SubjectOptions = Annotated[Subject, flat("What is attacked")]
RecipeOptions = Annotated[Recipe, TRAINED]
LearningOptions = Annotated[Learning, TRAINED]
DefenceOptions = Annotated[Defending, flat("What is defended")]


def named_learner(learner: Learner) -> dict[str, str]:
    """What a learner adds to the settings that name a folder: nothing for the standard one."""
    return {} if learner == Standard(recipe=learner.recipe) else {"learner": repr(learner)}

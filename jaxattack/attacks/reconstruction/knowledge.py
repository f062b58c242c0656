"""What the attackers of this family know. A field is what an attack's ``needs`` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.reconstruction.linear_model import LinearModel
from jaxattack.attacks.reconstruction.secret import Secret
from jaxattack.attacks.reconstruction.tree import CountedTree
from jaxattack.attacks.reconstruction.update import Update
from jaxattack.training import Recipe
from jaxattack.types import NEEDS, Dataset, InputError, Model, Oracle, ReconstructionAttack, Variables


class Partial(NamedTuple):
    """Records of which one attribute is not known.

    Attributes:
        x: Float["record feature"]; what stands in the secret's columns is not read.
        y: Int["record"], their true labels.
        secret: the attribute.
    """

    x: np.ndarray
    y: np.ndarray
    secret: Secret


class Known(NamedTuple):
    """Training records that are known.

    Attributes:
        x: Shaped["record *feature"].
        y: Shaped["record"], their labels; of a regression the numbers, ["record output"] where there are several.
    """

    x: np.ndarray
    y: np.ndarray


class Training(NamedTuple):
    """How the victims were trained, as far as the attacker knows it.

    Attributes:
        model: the architecture; one from `fixed_start` where the attacker knows where training began.
        recipe: of the training.
        members: how many records a victim was trained on; 0 where that is not known.
        update: how it is trained on one more record, where that is known.
        columns: of a table, which a victim put on the scale of its members, and its weights took that scale up
            (`jaxattack.models.folded`); none where empty.
    """

    model: Model
    recipe: Recipe
    members: int = 0
    update: Update = Update()
    columns: tuple[bool, ...] = ()


class Span(NamedTuple):
    """What the numbers of a record range over as the network takes them; the documented range is stretched to it evenly.

    Attributes:
        low: Float["*feature"], the smallest.
        high: Float["*feature"], the largest.
    """

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Knowledge:
    """What an attacker knows; None is what it does not.

    Attributes:
        answers: the model as it answers; before its updates, where there are such.
        updates: the model after each update, a target each.
        weights: of networks, every leaf leads with the axis ``target``.
        linear: a linear model with what it minimises.
        tree: a decision tree with its counts.
        confusion: C[y, y'], the share of the records of class y that the model puts into y'.
        partial: records of which one attribute is not known, a target each.
        known: the other training records of each target; a single entry is shared by all.
        pool: other records of the population, with their labels.
        training: how the victims were trained.
        span: what the numbers of a record range over as the network takes them.
        share: which records of the pool have the property.
    """

    answers: Oracle | None = None
    updates: tuple[Oracle, ...] | None = None
    weights: Variables | None = None
    linear: LinearModel | None = None
    tree: CountedTree | None = None
    confusion: Float[np.ndarray, "cls predicted"] | None = None
    partial: Partial | None = None
    known: tuple[Known, ...] | None = None
    pool: Dataset | None = None
    training: Training | None = None
    span: Span | None = None
    share: Bool[np.ndarray, "record"] | None = None


def require(attack: ReconstructionAttack, knowledge: Knowledge) -> tuple[Any, ...]:
    """What an attack needs, in the order of its ``needs``.

    Raises:
        InputError: something is missing, or answers are of a level that the attack cannot work with.
    """
    for need in attack.needs:
        if getattr(knowledge, need) is None:
            raise InputError(f"{attack.name} needs {NEEDS[need]} and {need} is not known: give it, or another attack.")
    if "answers" in attack.needs:
        for oracle in (knowledge.answers, *(knowledge.updates or ())):
            assert oracle is not None
            if oracle.access.level not in attack.levels:
                raise InputError(
                    f"{attack.name} cannot work with {oracle.access.level} answers: it needs {' or '.join(attack.levels)}."
                )
    return tuple(getattr(knowledge, need) for need in attack.needs)

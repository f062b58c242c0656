"""What is made back of a training set or a record of it, and the attacks that make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.error import Progress
from jaxattack.types.oracle import Ledger, Level

Goal = Literal["attribute", "record", "records", "label", "property"]
"""What an attack reconstructs of each target."""

GOALS: Mapping[Goal, str] = {
    "attribute": "one attribute of each record, whose others are known",
    "record": "the one record of each training set that is not known, or that an update was made with",
    "records": "training records, in no order",
    "label": "the label of the record that an update was made with",
    "property": "the share of each training set that has a property",
}

Need = Literal[
    "answers", "updates", "weights", "linear", "tree", "confusion", "partial", "known", "pool", "training", "span", "share"
]  # fmt: skip
"""What an attack is handed: a field of `jaxattack.attacks.reconstruction.Knowledge`."""

NEEDS: Mapping[Need, str] = {
    "answers": "the model's answers",
    "updates": "the answers of the model after each update",
    "weights": "the weights of a network",
    "linear": "the weights of a linear model at the minimum of its objective",
    "tree": "a decision tree with the training counts of its leaves",
    "confusion": "the confusion matrix of the model",
    "partial": "records of which one attribute is not known",
    "known": "all training records but one",
    "pool": "other records of the same population",
    "training": "how the model was trained",
    "span": "the range of a record's numbers as the network takes them",
    "share": "which records of the pool have the property",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction:
    """What an attack made back.

    Attributes:
        attack: its name.
        goal: what it reconstructs of each target.
        value: by goal: the index of the attribute's value, a record, a label, or a share. NaN in a record that could not
            be made; records are in the units of the span where the attack needs one; an attack for training records in no
            order has candidates for targets.
        score: how far the attack believes in it, on a scale of its own that no truth enters, higher for more; an
            attribute has one for each value that it may take. NaN where the attack has no opinion.
        label: the class that comes with a record, where one does; None elsewhere.
        cost: what was asked of oracles.
        models: how many models the attack trained.
        steps: of gradient descent, those that trained its models included.
        converged: whether the attack came to its end.
        complete: whether every target was reconstructed.
        reason: why not, in one sentence; empty when complete.
        notes: what else the attack found, name -> number or text.
    """

    attack: str
    goal: Goal
    value: Shaped[np.ndarray, "target *feature"]
    score: Float[np.ndarray, "target *value"]
    label: Int[np.ndarray, "target"] | None = None
    cost: Ledger = field(default_factory=Ledger)
    models: int = 0
    steps: int = 0
    converged: bool = True
    complete: bool = True
    reason: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class ReconstructionAttack(Protocol):
    """A reconstruction: a frozen configuration that is called with what its attacker knows.

    Attributes:
        name: its name in the registry and in reports.
        goal: what it reconstructs.
        needs: what it must be handed.
        levels: the access levels that it can work with, where it asks a model; empty elsewhere.
    """

    goal: ClassVar[Goal]
    needs: ClassVar[tuple[Need, ...]]
    levels: ClassVar[tuple[Level, ...]]

    @property
    def name(self) -> str: ...

    def __call__(self, knowledge: Any, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Reconstruct every target.

        The same seed makes the same reconstruction of the same knowledge.

        Args:
            knowledge: `jaxattack.attacks.reconstruction.Knowledge`, with at least what the attack needs.
            seed: decides everything random.
            progress: called with what is being done, how much of it, and of how much.

        Raises:
            InputError: something that it needs is missing or does not fit, or a budget that ends before the first target.
        """
        ...

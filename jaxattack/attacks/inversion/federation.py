"""Who takes part in collaborative learning (`jaxattack.training.averaging`), one of them an adversary, and with what records."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.training.averaging import Partition
from jaxattack.types import InputError, Inputs, Model


@dataclass(frozen=True, kw_only=True, eq=False)
class Federation:
    """Who takes part in collaborative learning, and with what.

    Attributes:
        model: what they share; it takes records in the units of ``inputs``, and has one output a class and, as its last,
            one for fakes.
        inputs: the records that it takes.
        classes: how many there are, without the fakes.
        x: the records of all.
        y: their classes.
        owner: who holds each, from 0, the adversary.

    Raises:
        InputError: shapes that disagree, classes out of range, a participant without records, none beside the adversary, or
            a model without an output for fakes.
    """

    model: Model
    inputs: Inputs
    classes: int
    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]
    owner: Int[np.ndarray, "record"]

    def __post_init__(self) -> None:
        records = len(self.x)
        if self.x.shape[1:] != self.inputs.shape or self.y.shape != (records,) or self.owner.shape != (records,):
            raise InputError(
                f"x, y and owner have shapes {self.x.shape}, {self.y.shape} and {self.owner.shape}: give x [record, "
                f"{', '.join(map(str, self.inputs.shape))}] with a class and an owner for each record."
            )
        if not records or self.y.min() < 0 or self.y.max() >= self.classes:
            raise InputError(f"y holds classes outside 0 to {self.classes - 1}, or none: give one of these a record.")
        if not np.isfinite(self.x).all():
            raise InputError("x holds NaN or infinity: drop or fill those records.")
        present = np.unique(self.owner)
        if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
            raise InputError(
                f"owner names the participants {present.tolist()}: number them from 0, the adversary, each with records "
                "and at least two in all."
            )
        shape = jax.ShapeDtypeStruct((1, *self.inputs.shape), np.float32)
        outputs = jax.eval_shape(self.model.apply, jax.eval_shape(self.model.init, jax.random.key(0)), shape).shape[-1]
        if outputs != self.classes + 1:
            raise InputError(
                f"the model has {outputs} outputs for {self.classes} classes: give it {self.classes + 1}, the last for fakes."
            )

    @property
    def partition(self) -> Partition:
        """Everyone's records as arrays."""
        count = np.bincount(self.owner)
        own = [np.resize(np.flatnonzero(self.owner == who), count.max()) for who in range(len(count))]
        return Partition(*map(jnp.asarray, (self.x, self.y, np.stack(own), count)))


def deal(y: Int[np.ndarray, "record"], adversary: tuple[int, ...], participants: int) -> Int[np.ndarray, "record"]:
    """An owner for each record: some classes are the adversary's, the others are dealt to the honest in turn.

    Args:
        y: the class of each record.
        adversary: the classes that participant 0 holds.
        participants: how many there are with the adversary.

    Raises:
        InputError: fewer classes than participants to hold them, or an adversary without any.
    """
    rest = np.setdiff1d(y, adversary)
    if participants < 2 or len(rest) < participants - 1 or not np.isin(y, adversary).any():
        raise InputError(
            f"participants is {participants}, adversary {adversary} and {len(rest)} classes are left for the honest: give "
            "the adversary a class, and every other participant one."
        )
    return np.where(np.isin(y, adversary), 0, 1 + np.searchsorted(rest, y) % (participants - 1))

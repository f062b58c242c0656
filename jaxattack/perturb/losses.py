"""What an attack on a model raises: functions of its logits that are the larger, the farther it is from a label.

    CrossEntropy    -ln p_y                                     toward t: ln p_t
    DLR             -(z_y - max_{i!=y} z_i) / (z_(1) - z_(3))   toward t: -(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2)
    Margin          -max(z_y - max_{i!=y} z_i, -kappa)          toward t: -max(max_{i!=t} z_i - z_t, -kappa)
    Penalised       any of them less what a detector says of the record

z_(k) is the k-th largest logit. DLR (Croce and Hein 2020, arXiv 2003.01690) changes neither where logits are shifted nor where
they are scaled: a model of large logits, whose cross entropy has no gradient left in float32, does not hide behind them. Margin is
f_6 of Carlini and Wagner 2017, arXiv 1608.04644.

A loss is a frozen value that can be hashed: it is a static argument of the programs that raise it. Arrays that it needs, such as a
detector's weights, are among the variables of the model under attack.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from jaxattack.types import InputError, Variables, above_zero, config

_TINY = 1e-12
"""Added to DLR's denominator, as its authors' code does."""


@runtime_checkable
class Loss(Protocol):
    """A frozen value: what to raise, and when that is enough."""

    def fewest_classes(self, *, targeted: bool) -> int:
        """How many classes a model must have."""
        ...

    def __call__(
        self,
        z: Float[jax.Array, "record cls"],
        y: Int[jax.Array, "record"],
        target: Int[jax.Array, "record"] | None,
        x: Float[jax.Array, "record *feature"],
        variables: Variables,
    ) -> Float[jax.Array, "record"]:
        """What to raise of each record.

        Args:
            z: the model's logits.
            y: the labels to move away from.
            target: the labels to move to; None for any other.
            x: where the logits were taken, in the units that the model takes.
            variables: of the model.
        """
        ...

    def reached(
        self,
        z: Float[jax.Array, "record cls"],
        y: Int[jax.Array, "record"],
        target: Int[jax.Array, "record"] | None,
        x: Float[jax.Array, "record *feature"],
        variables: Variables,
    ) -> Bool[jax.Array, "record"]:
        """Whether a record needs no further step: it has another label, and whatever else the loss asks for."""
        ...


class _OfLogits:
    """What losses of logits alone have in common."""

    _FEWEST: ClassVar[tuple[int, int]] = (2, 2)

    def fewest_classes(self, *, targeted: bool) -> int:
        """As `Loss`."""
        return self._FEWEST[targeted]

    def reached(self, z, y, target, x, variables) -> Bool[jax.Array, "record"]:  # noqa: ARG002 (the label is enough)
        """As `Loss`; any other label will do, with a target too."""
        return z.argmax(axis=1) != y


@config
class CrossEntropy(_OfLogits):
    """-ln p_y, or ln p_t. Zero gradients where float32 rounds p_y to 1."""

    def __call__(self, z, y, target, x, variables) -> Float[jax.Array, "record"]:  # noqa: ARG002
        """As `Loss`."""
        log_p = jax.nn.log_softmax(z)
        return -at(log_p, y) if target is None else at(log_p, target)


@config
class DLR(_OfLogits):
    """The difference of logits ratio: needs 3 classes, and 4 toward a target."""

    _FEWEST: ClassVar[tuple[int, int]] = (3, 4)

    def __call__(self, z, y, target, x, variables) -> Float[jax.Array, "record"]:  # noqa: ARG002
        """As `Loss`."""
        top = jax.lax.top_k(z, 3 if target is None else 4)[0]
        if target is None:
            return (largest_other(z, y) - at(z, y)) / (top[:, 0] - top[:, 2] + _TINY)
        return (at(z, target) - at(z, y)) / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + _TINY)


@config
class Margin(_OfLogits):
    """How far the label's logit is below the largest, up to kappa.

    Attributes:
        kappa: the margin beyond which nothing is gained, at least 0.

    Raises:
        InputError: a negative kappa.
    """

    kappa: float = 0.0

    def __post_init__(self) -> None:
        if self.kappa < 0:
            raise InputError(f"kappa is {self.kappa}: give a margin of at least 0.")

    def __call__(self, z, y, target, x, variables) -> Float[jax.Array, "record"]:  # noqa: ARG002
        """As `Loss`."""
        return margin(z, y, target, self.kappa)


class Penalty(Protocol):
    """What a detector says of records: a function, or a frozen value, that can be hashed and differentiated."""

    def __call__(self, variables: Variables, x: Float[jax.Array, "record *feature"]) -> Float[jax.Array, "record"]:
        """Above 0 where the detector raises its alarm, and by how much; at most 0 elsewhere.

        Args:
            variables: of the model under attack, the detector's weights among them.
            x: in the units that the model takes.
        """
        ...


@config
class Penalised:
    """A loss less the alarms of a detector: the adaptive attack of Carlini and Wagner 2017, arXiv 1705.07263.

    A record is done where it has another label and raises no alarm.

    Attributes:
        loss: without the detector.
        penalty: the detector's alarm; what is below 0 counts as 0, so that nothing is gained deep inside of what it accepts.
        weight: of the alarm, above 0.

    Raises:
        InputError: a weight that is not above 0.
    """

    penalty: Penalty
    loss: Loss = CrossEntropy()
    weight: float = 1.0

    def __post_init__(self) -> None:
        above_zero(weight=self.weight)

    def fewest_classes(self, *, targeted: bool) -> int:
        """As `Loss`."""
        return self.loss.fewest_classes(targeted=targeted)

    def __call__(self, z, y, target, x, variables) -> Float[jax.Array, "record"]:
        """As `Loss`."""
        alarm = jnp.maximum(self.penalty(variables, x), 0)
        return self.loss(z, y, target, x, variables) - self.weight * alarm

    def reached(self, z, y, target, x, variables) -> Bool[jax.Array, "record"]:
        """As `Loss`."""
        return self.loss.reached(z, y, target, x, variables) & (self.penalty(variables, x) <= 0)


def margin(
    z: Float[jax.Array, "record cls"],
    y: Int[jax.Array, "record"],
    target: Int[jax.Array, "record"] | None,
    kappa: jax.Array | float,
) -> Float[jax.Array, "record"]:
    """How far another logit, or the target's, is above the label's, or all others; kappa at most."""
    ahead = largest_other(z, y) - at(z, y) if target is None else at(z, target) - largest_other(z, target)
    return jnp.minimum(ahead, kappa)


def at(values: Float[jax.Array, "record cls"], cls: Int[jax.Array, "record"]) -> Float[jax.Array, "record"]:
    """Each record's entry of one class."""
    return jnp.take_along_axis(values, cls[:, None], axis=1)[:, 0]


def largest_other(z: Float[jax.Array, "record cls"], cls: Int[jax.Array, "record"]) -> Float[jax.Array, "record"]:
    """Each record's largest logit among the other classes."""
    return jnp.where(jax.nn.one_hot(cls, z.shape[1]) > 0, -jnp.inf, z).max(axis=1)

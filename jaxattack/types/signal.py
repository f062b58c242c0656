"""What is read from a model's answers, and what a signal may see of the model."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import jax
from jaxtyping import Float, Int, PRNGKeyArray

from jaxattack.types.model import Model, Variables
from jaxattack.types.oracle import Answer

Sight = Literal["label", "probability", "logit", "weights"]
"""How much of a model a signal needs: its label; its confidences; its raw outputs; what it has learnt."""

SIGHTS: tuple[Sight, ...] = ("label", "probability", "logit", "weights")
"""From the least to the most; who sees more sees all before it."""


class View(Protocol):
    """One model as whoever asks it sees it.

    Attributes:
        model: the architecture, for signals that see weights.
        variables: what it learnt.
        floor: the smallest confidence that an answer tells from 0.
    """

    @property
    def model(self) -> Model: ...

    @property
    def variables(self) -> Variables: ...

    @property
    def floor(self) -> float: ...

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:
        """What the model answers to a batch of network inputs, behind its defences; traced.

        Args:
            x: the batch, ["record *feature"].
            repetition: the so-manyth time of asking, for defences that draw afresh.
        """
        ...


@runtime_checkable
class Signal(Protocol):
    """A number, or several, that are read of every record: a frozen dataclass, hashable.

    Attributes:
        name: under which it is kept.
        sees: what it needs to see.
        queries: asked of the model for a record and a view of it.
    """

    @property
    def name(self) -> str: ...

    @property
    def sees(self) -> Sight: ...

    @property
    def queries(self) -> int: ...

    def __call__(
        self, view: View, x: jax.Array, y: Int[jax.Array, "record"], key: PRNGKeyArray | None
    ) -> Float[jax.Array, "record *value"]:
        """The signal of a batch; traced.

        Args:
            view: the model.
            x: records as the network takes them, ["record *feature"].
            y: their labels.
            key: of each record, for signals that draw; the same for every model.
        """
        ...


def sees(signal: Any, sight: Sight) -> bool:
    """Whether so much is enough for a signal."""
    return SIGHTS.index(signal.sees) <= SIGHTS.index(sight)

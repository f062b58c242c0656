"""What is read from a model's answers, and what a signal may see of the model."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped

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
        refuses: whether a defence may refuse to answer.
    """

    @property
    def model(self) -> Model: ...

    @property
    def variables(self) -> Variables: ...

    @property
    def floor(self) -> float: ...

    @property
    def refuses(self) -> bool: ...

    def answer(self, x: jax.Array, repetition: jax.Array | None = None) -> Answer:
        """What the model answers to a batch of network inputs, behind its defences; traced.

        Args:
            x: the batch, ["record *feature"].
            repetition: the so-manyth time of asking, for defences that draw afresh.
        """
        ...


def number_in_name(value: float) -> str:
    """A number as the name of a signal has it: short, and no other number's, for signals are kept by their names.

    Example:
        >>> number_in_name(2.0), number_in_name(0.1), number_in_name(0.1234567)
        ('2', '0.1', '0.1234567')
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


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


class Surrogates(NamedTuple):
    """Models whose weights the attacker has.

    Attributes:
        variables: what they learnt; every leaf leads with ``model``.
        member: who was trained on what.
        validation: which of them judge what is found on the others, where a search makes that difference.
    """

    variables: Variables
    member: Bool[jax.Array, "model record"]
    validation: Bool[jax.Array, "model"]


@runtime_checkable
class DistilledSignal(Signal, Protocol):
    """A signal of a model and of a student that learns its answers, after each of the student's passes.

    Called, it reads one answer: ["record value"]. Observed, it has those of the student after each pass and of the model, one
    after another. It cannot be observed while models are trained: students learn from records set aside
    (`jaxattack.training.trajectories`).

    Attributes:
        passes: of the student.
    """

    @property
    def passes(self) -> int: ...


@runtime_checkable
class ImitationSignal(Signal, Protocol):
    """A signal of a model and of others that are trained to answer as it does, each on a half of the records.

    Called, it reads one answer: ["record"]. Observed, it has those of the imitators that were not trained on the record, and
    the model's own last. It is observed of models that are kept (`jaxattack.training.imitations`).

    Attributes:
        imitators: of a model, an even number: two halves each.
        warmup: the share of their passes in which they learn labels alone.
    """

    @property
    def imitators(self) -> int: ...

    @property
    def warmup(self) -> float: ...


@runtime_checkable
class ProxySignal(Signal, Protocol):
    """A signal of another record in place of each, and whether the model was trained on that other one: two values.

    Called, it reads the answer to the record itself. It is put together from what is observed (`jaxattack.audit.asking`).

    Attributes:
        reads: what is read of an answer.
    """

    @property
    def reads(self) -> Signal: ...

    def proxies(
        self, x: Shaped[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
    ) -> Int[np.ndarray, "record"]:
        """The number of the record that stands for each."""
        ...


@runtime_checkable
class OptimisedSignal(Signal, Protocol):
    """A signal of the answers to queries that were optimised on other models; called, it reads the answer to one of them.

    It cannot be observed while models are trained: `jaxattack.audit.optimising` asks models that are kept.

    Attributes:
        queries: found for a record; each is asked once.
        reads: what is read of each answer.
    """

    @property
    def reads(self) -> Signal: ...

    def lacking(
        self, member: Bool[np.ndarray, "model record"], validation: Bool[np.ndarray, "model"]
    ) -> Bool[np.ndarray, "record"]:
        """The records for which such surrogates are too few."""
        ...

    def search(
        self, model: Model, surrogates: Surrogates, x: jax.Array, y: Int[jax.Array, "record"]
    ) -> Float[jax.Array, "record query *feature"]:
        """The queries of a batch of records; traced.

        Args:
            model: the architecture.
            surrogates: on whom they are found; their ``member`` is of this batch.
            x: records as the network takes them.
            y: their labels.
        """
        ...


def afterwards(signal: Any) -> bool:
    """Whether a signal can be read of trained models alone, and not on the way while they are trained."""
    return isinstance(signal, OptimisedSignal | DistilledSignal | ImitationSignal | ProxySignal)

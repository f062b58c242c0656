"""The nouns of the package, imported by every other module and importing none.

Axes have one name everywhere: ``model`` (a trained network of a sweep), ``record`` (a row of the data set),
``query`` (one view of a record: the record itself first, then its augmentations), ``cls`` (a class) and
``feature``. A ``target`` is a model under attack; it is one of the models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, PRNGKeyArray, Shaped

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class InputError(ValueError):
    """What the caller asked for cannot be done; the message names the field, the value and the remedy.

    The command line prints the message as one sentence and exits with status 2.
    """


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Records with labels.

    Attributes:
        x: images as uint8 in 0..255, channels last (at least 3 axes), or tables as float32 (2 axes).
        y: labels, 0 to ``classes - 1``.
        classes: the number of classes, at least 2.
        name: where the records came from, as given to `jaxattack.load`.

    Raises:
        InputError: unequal lengths, no records, NaN or infinity, labels out of range, or fewer than two classes present.
    """

    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]
    classes: int
    name: str

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise InputError(
                f"{self.name}: x has {len(self.x)} records and y has {len(self.y)}: give one label for each record."
            )
        if not len(self.y):
            raise InputError(f"{self.name}: there are no records: give at least four.")
        if not np.issubdtype(self.y.dtype, np.integer) or self.y.ndim != 1:
            raise InputError(
                f"{self.name}: y has dtype {self.y.dtype} and shape {self.y.shape}: give one whole-number label a record."
            )
        if np.issubdtype(self.x.dtype, np.floating) and not np.isfinite(self.x).all():
            bad = int((~np.isfinite(self.x.reshape(len(self.x), -1)).all(axis=1)).sum())
            raise InputError(f"{self.name}: x is NaN or infinite in {bad} records: drop or fill them.")
        if self.y.min() < 0 or self.y.max() >= self.classes:
            raise InputError(
                f"{self.name}: y ranges from {self.y.min()} to {self.y.max()}, outside 0 to {self.classes - 1}: "
                "renumber the labels from 0."
            )
        if len(np.unique(self.y)) < 2:
            raise InputError(
                f"{self.name}: every record has the label {self.y[0]}: a classifier needs at least two classes."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one record."""
        return self.x.shape[1:]

    @property
    def images(self) -> bool:
        """Whether a record is a picture: uint8 with height, width and channels."""
        return self.x.dtype == np.uint8 and self.x.ndim == 4

    def __len__(self) -> int:
        return len(self.y)

    def take(self, records: Int[np.ndarray, "chosen"]) -> Dataset:
        """The chosen records, in the order given."""
        return replace(self, x=self.x[records], y=self.y[records])


class Variables(NamedTuple):
    """What a model has learnt.

    Attributes:
        params: a pytree of arrays, differentiated.
        rest: a pytree of arrays never differentiated (batch statistics).
    """

    params: Any
    rest: Any


class Model(NamedTuple):
    """A classifier as three pure functions. It is hashable, so that a compiled function is found again.

    Attributes:
        init: key -> Variables.
        apply: (Variables, x["query *feature"]) -> logits["query cls"], as deployed.
        forward: (Variables, x["query *feature"], key) -> (logits["query cls"], rest), as trained.
    """

    init: Callable[[PRNGKeyArray], Variables]
    apply: Callable[[Variables, jax.Array], jax.Array]
    forward: Callable[[Variables, jax.Array, PRNGKeyArray], tuple[jax.Array, Any]]


class Ensemble(NamedTuple):
    """Many trained models of one architecture.

    Attributes:
        variables: every leaf leads with the axis ``model``.
        member: which records each model was trained on.
    """

    variables: Variables
    member: Bool[np.ndarray, "model record"]


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What every model says of every record: the hub between training and the attacks.

    Attributes:
        signals: name -> Float["model record query"]. ``phi``, the logit-scaled confidence z_y - logsumexp of the
            other logits, is always there. A mapping may load a signal only when it is asked for.
        member: the truth about membership; the attacks leave a target's own row unread.
        label: the true class of each record.

    Raises:
        InputError: shapes that disagree.
    """

    signals: Mapping[str, Float[np.ndarray, "model record query"]]
    member: Bool[np.ndarray, "model record"]
    label: Int[np.ndarray, "record"]

    def __post_init__(self) -> None:
        if self.member.ndim != 2 or self.member.dtype != np.bool_:
            raise InputError(
                f"member has dtype {self.member.dtype} and shape {self.member.shape}: give a Boolean array [model, record]."
            )
        if self.label.shape != self.member.shape[1:]:
            raise InputError(
                f"label has shape {self.label.shape} and member {self.member.shape}: give one label for each record."
            )

    @property
    def models(self) -> int:
        """How many models were observed."""
        return self.member.shape[0]

    @property
    def records(self) -> int:
        """How many records were shown to each."""
        return self.member.shape[1]

    def signal(self, name: str) -> Float[np.ndarray, "model record query"]:
        """One signal.

        Raises:
            InputError: the signal was not observed.
        """
        if name not in self.signals:
            raise InputError(
                f"the signal {name!r} was not observed (there are {', '.join(sorted(self.signals))}): "
                "observe it, give logits, or choose an attack that does without."
            )
        return self.signals[name]

    def take(self, models: Int[np.ndarray, "chosen"] | slice) -> Observations:
        """The observations of the chosen models alone."""
        return Observations(
            signals={name: self.signals[name][models] for name in self.signals},
            member=self.member[models],
            label=self.label,
        )


@runtime_checkable
class MembershipAttack(Protocol):
    """A membership attack: a frozen configuration that is called with observations.

    Attributes:
        name: its name in the registry and in reports.
        signals: the signals it reads.
        references: whether it learns from the other models.
    """

    @property
    def name(self) -> str: ...

    @property
    def signals(self) -> tuple[str, ...]: ...

    @property
    def references(self) -> bool: ...

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target; higher always means "more likely a member".

        Args:
            observations: all models; a target's references are the models other than itself.
            targets: indices of the models under attack; all of them by default (leave-one-out).
        """
        ...

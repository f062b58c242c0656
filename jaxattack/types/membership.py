"""What trained models say of every record, and the attacks that read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from jaxattack.error import InputError
from jaxattack.own_code import own_version
from jaxattack.types.floats import widen_floats
from jaxattack.types.model import check_ids, ids_at
from jaxattack.types.signal import Signal

Side = Literal["in", "out"]
"""Which models of a record: those that were trained on it, or the others."""


def versions_of(signals: Iterable[Signal]) -> dict[str, str]:
    """The versions of signals whose classes are not of this package, by name."""
    return {signal.name: version for signal in signals if (version := own_version(signal))}


@dataclass(frozen=True, kw_only=True, repr=False)
class Observations:
    """What every model says of every record: the hub between training and the attacks.

    Attributes:
        signals: name -> Float["model record query *value"]. ``phi``, the logit-scaled confidence z_y - logsumexp of the
            other logits, is always there. A mapping may load a signal only when it is asked for.
        member: the truth about membership; the attacks leave a target's own row unread.
        unknown: where it is not known, and member is False; None where all is. Such a model is a target and no reference.
        label: the true class of each record, from 0.
        names: of the classes; empty where they are numbered alone.
        ids: what each record is called where it comes from; empty where they are numbered alone.
        notes: how what was given was read, in sentences.
        ask: asks models that are kept for a signal that was not observed; None where there are none.
        versions: of the signals whose classes are not of this package, by name, as `jaxattack.own_code.own_version`.

    Raises:
        InputError: no arrays, shapes that disagree, labels that are no class numbers, or ids that `jaxattack.types.check_ids` refuses.

    Example:
        >>> member = np.asarray([[True, False, True], [False, True, False]])
        >>> phi = np.zeros((2, 3, 1), np.float32)
        >>> observations = ja.Observations(signals={"phi": phi}, member=member, label=np.asarray([0, 1, 1]))
        >>> observations.models, observations.records
        (2, 3)
    """

    signals: Mapping[str, np.ndarray]
    member: Bool[np.ndarray, "model record"]
    label: Int[np.ndarray, "record"]
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ask: Callable[[Signal], Float[np.ndarray, "model record query *value"]] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    unknown: Bool[np.ndarray, "model record"] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.signals, Mapping):
            raise InputError(f"signals is {self.signals!r:.60}: give arrays by name, as phi.")
        for name in ("member", "label"):
            if not isinstance(getattr(self, name), np.ndarray):
                raise InputError(f"{name} is {getattr(self, name)!r:.60}: give an array, as numpy.asarray makes it.")
        if self.member.ndim != 2 or self.member.dtype != np.bool_:
            raise InputError(
                f"member has dtype {self.member.dtype} and shape {self.member.shape}: give a Boolean array [model, record]."
            )
        if self.label.shape != self.member.shape[1:]:
            raise InputError(
                f"label has shape {self.label.shape} and member {self.member.shape}: give one label for each record."
            )
        if self.label.dtype.kind not in "iub":
            raise InputError(
                f"label has dtype {self.label.dtype}: give the number of each record's class; membership attacks are on models "
                "that answer with one of several classes, not on regressions."
            )
        if self.label.size and self.label.min() < 0:
            raise InputError(f"label holds {self.label.min()}: give the number of each record's class, from 0.")
        if self.unknown is not None and (self.unknown.shape != self.member.shape or self.unknown.dtype != np.bool_):
            raise InputError(
                f"unknown has dtype {self.unknown.dtype} and shape {self.unknown.shape}: give a Boolean array of member's shape, "
                f"{self.member.shape}."
            )
        check_ids(self.ids, self.records, "observations")

    def __repr__(self) -> str:
        return f"<Observations: {self.models:,} models, {self.records:,} records; {', '.join(sorted(self.signals))}>"

    @property
    def models(self) -> int:
        """How many models were observed."""
        return self.member.shape[0]

    @property
    def records(self) -> int:
        """How many records were shown to each."""
        return self.member.shape[1]

    def membership(self, model: int) -> Int8[np.ndarray, "record"]:
        """Of which records a model is known to have been trained on: 1, those that it was not: 0, and -1 of the others."""
        known = self.member[model].astype(np.int8)
        return known if self.unknown is None else np.where(self.unknown[model], np.int8(-1), known)

    def require_known(self) -> None:
        """Refuse models of which some membership is not known.

        Raises:
            InputError: it names the first.
        """
        if self.unknown is not None and self.unknown.any():
            model = int(self.unknown.any(axis=1).argmax())
            raise InputError(
                f"it is not known of {int(self.unknown[model].sum())} records whether model {model} was trained on them: attack it as "
                f"one target (target {model}), or leave it out."
            )

    def signal(self, name: str) -> Float[np.ndarray, "model record *value"]:
        """One signal, [model, record, query, ...]; attacks refuse other axes than they read.

        Raises:
            InputError: the signal was not observed, is of other models or records, or no numbers.
        """
        if name not in self.signals:
            raise InputError(
                f"the signal {name!r} was not observed (there are {', '.join(sorted(self.signals))}): "
                "observe it, give logits, or choose an attack that does without."
            )
        values = widen_floats(np.asarray(self.signals[name]))
        if values.ndim < 3 or values.shape[:2] != self.member.shape or values.dtype.kind not in "fiub":
            raise InputError(
                f"signal {name!r} has dtype {values.dtype}, shape {values.shape} and member {self.member.shape}: "
                "give the signal as [model, record, query], numbers with a model and a record for each of member's."
            )
        return values

    def of(self, signal: Signal) -> Float[np.ndarray, "model record *value"]:
        """A signal: as it was observed, or asked of models that are kept.

        Raises:
            InputError: it was not observed, or as other code or settings, and cannot be asked for.
        """
        version = own_version(signal)
        same = self.versions.get(signal.name, version) == version
        if self.ask is not None and not (same and signal.name in self.signals):
            return self.ask(signal)
        if not same:
            raise InputError(
                f"the signal {signal.name!r} was observed as other code or settings than this: observe it anew, or give it "
                "another name."
            )
        return self.signal(signal.name)

    def only(self, signals: Iterable[Signal]) -> Observations:
        """The same observations with these signals alone, each loaded once.

        Raises:
            InputError: as `of`.
        """
        signals = tuple(signals)
        return replace(
            self,
            signals={signal.name: self.of(signal) for signal in signals},
            versions=versions_of(signals),
        )

    def take(self, models: Int[np.ndarray, "chosen"] | slice) -> Observations:
        """The observations of the chosen models alone."""
        return replace(
            self,
            signals={name: self.signal(name)[models] for name in self.signals},
            member=self.member[models],
            unknown=self._unknown_at(models, slice(None)),
            ask=self._asking(lambda values: values[models]),
        )

    def take_records(self, records: Int[np.ndarray, "chosen"] | Bool[np.ndarray, "record"]) -> Observations:
        """The observations of the chosen records alone."""
        return replace(
            self,
            signals={name: self.signal(name)[:, records] for name in self.signals},
            member=self.member[:, records],
            unknown=self._unknown_at(slice(None), records),
            label=self.label[records],
            ids=ids_at(self.ids, np.arange(self.records)[records]),
            ask=self._asking(lambda values: values[:, records]),
        )

    def _unknown_at(self, models: Any, records: Any) -> Bool[np.ndarray, "chosen some"] | None:
        """Where membership is not known of a part; None where all is."""
        part = None if self.unknown is None else self.unknown[models][:, records]
        return part if part is not None and part.any() else None

    def _asking(self, part: Callable[[np.ndarray], np.ndarray]) -> Callable[[Signal], np.ndarray] | None:
        """Asking for a part of what is asked for."""
        ask = self.ask
        return None if ask is None else lambda signal: part(ask(signal))


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What an attack needs of a target's references.

    Attributes:
        sides: the fewest references that a record needs on each side of membership.
        spread: whether some record must have two on each of these sides, so that a variance can be pooled.
        protocol: who a target's references are, as `jaxattack.attacks.membership.references` has it.
    """

    sides: Mapping[Side, int] = field(default_factory=dict)
    spread: bool = False
    protocol: str = "independent"


@runtime_checkable
class MembershipAttack(Protocol):
    """A membership attack: a frozen configuration that is called with observations.

    Attributes:
        name: its name in the registry and in reports.
        family: of attacks that differ in details alone, as "lira", or "threshold" for all that compare one number of the target's
            own answer; reports show the strongest of each.
        signals: what it reads of every record.
        references: whether it learns from the other models.
    """

    @property
    def name(self) -> str: ...

    @property
    def family(self) -> str: ...

    @property
    def signals(self) -> tuple[Signal, ...]: ...

    @property
    def references(self) -> bool: ...

    def needs(self, models: int) -> Needs:
        """What it needs of the references of every record.

        Args:
            models: how many there are in all.
        """
        ...

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target; higher always means "more likely a member".

        Args:
            observations: all models; a target's references are among the others (jaxattack.attacks.membership.references).
            targets: indices of the models under attack; all of them by default.
        """
        ...

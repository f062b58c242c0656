"""What stands between a model and whoever asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxattack.types.oracle import Access, Answer


class Endpoint(NamedTuple):
    """A model to which a defence is fitted, as it answers behind the defences before that.

    Attributes:
        records: gives all records, members and others, as `answer` takes them: ["record *feature"]. It raises InputError
            where they are not at hand.
        answer: gives what is answered to any such inputs, ["query *feature"].
        reserve: Int["reserve"], those of the records that are the defender's and members of no model; None where there are
            none.
    """

    records: Callable[[], Any]
    answer: Callable[[Any], Answer]
    reserve: Any = None


@runtime_checkable
class Defence(Protocol):
    """A change of a model's answers: a frozen dataclass, hashable, whose fields are all that decides it.

    One function serves a sweep, where it is traced over hundreds of models, and an oracle, where it is handed NumPy arrays.

    Attributes:
        resolution: the smallest confidence that its answers tell from 0; 0 where they tell all.
        fresh: whether it draws anew each time that it answers.
    """

    @property
    def resolution(self) -> float: ...

    @property
    def fresh(self) -> bool: ...

    def access(self, before: Access) -> Access:
        """The terms behind it.

        Raises:
            InputError: it can do nothing with such answers.
        """
        ...

    def fit(self, key: Any, endpoint: Endpoint, y: Any, member: Any) -> Any:
        """What it learns of one model before that is deployed: a pytree of arrays; () for most.

        Args:
            key: everything random about it.
            endpoint: the model.
            y: all labels.
            member: Float["record"], 1 for the model's members, 0 for the others.
        """
        ...

    def answer(self, state: Any, answer: Answer, x: Any, key: Any) -> Answer:
        """What is answered instead.

        Args:
            state: what `fit` gave.
            answer: of the model, or of the defence before; arrays of NumPy or of JAX.
            x: ["query *feature"], the queries.
            key: for defences that draw afresh: a key of JAX for each query, or a NumPy generator for them all.
        """
        ...


@runtime_checkable
class AskingDefence(Defence, Protocol):
    """A defence that decides what the model is asked in place of a query, as one that cleans queries does.

    The `answer` of such a defence is handed the answers to all its questions, whose parts lead with ["view query"].
    """

    def questions(self, state: Any, x: Any) -> Any:
        """What the model, or the defence before, is asked instead: ["view query *feature"], in the units of the queries.

        Gradients pass through it: those of a step, as rounding is, as though it were the identity.

        Args:
            state: what `fit` gave.
            x: ["query *feature"], the queries; of NumPy or of JAX.
        """
        ...


@runtime_checkable
class DetectingDefence(AskingDefence, Protocol):
    """A defence that refuses to answer what looks unlike the records that it has learnt of.

    A refusal shows as confidences that are all alike (`jaxattack.types.Answer.refusal`).

    Attributes:
        detects: whether its settings leave it a detector.
    """

    @property
    def detects(self) -> bool: ...

    def excess(self, state: Any, answer: Answer, x: Any) -> Any:
        """By what share of its threshold the mark of a query exceeds that, of each detector: ["detector query"].

        It is differentiable; a query is refused where one is 0 or more.

        Args:
            state: what `fit` gave.
            answer: to the defence's questions.
            x: ["query *feature"], the queries.
        """
        ...


@runtime_checkable
class RescalingDefence(Defence, Protocol):
    """A defence behind which confidences are of other sizes, so that what one before it cut is another one."""

    def rescaled(self, resolution: float, classes: int) -> float:
        """The smallest confidence that its answers tell from 0, or one below it; 0 where they tell all.

        Args:
            resolution: the same of the answers that it is handed.
            classes: of either.
        """
        ...


def resolution_behind(defences: Iterable[Defence], classes: int) -> float:
    """The smallest confidence that answers behind defences, the first nearest to the model, tell from 0; 0 where they tell all."""
    resolution = 0.0
    for defence in defences:
        if isinstance(defence, RescalingDefence):
            resolution = defence.rescaled(resolution, classes)
        resolution = max(resolution, defence.resolution)
    return resolution


@runtime_checkable
class RelabellingDefence(Defence, Protocol):
    """A defence that may answer with another label than the one that it is handed.

    Attributes:
        relabels: whether its settings leave it one that does.
    """

    @property
    def relabels(self) -> bool: ...


def any_relabels(defences: Iterable[Defence]) -> bool:
    """Whether one of them may answer with another label than the one that it is handed."""
    return any(isinstance(defence, RelabellingDefence) and defence.relabels for defence in defences)


@runtime_checkable
class RecognisingDefence(Defence, Protocol):
    """A defence that knows answers again, and does nothing behind one that draws each answer afresh.

    Attributes:
        recognises: whether its settings leave it one that does.
    """

    @property
    def recognises(self) -> bool: ...


def any_detects(defences: Iterable[Defence]) -> bool:
    """Whether one of them may refuse to answer."""
    return any(isinstance(defence, DetectingDefence) and defence.detects for defence in defences)


@runtime_checkable
class ReservingDefence(Defence, Protocol):
    """A defence that learns from records beside the members, as `jaxattack.types.Reserving` does.

    Attributes:
        reserve: the share of all records that a sweep sets aside for it, from 0 to below 1.
    """

    @property
    def reserve(self) -> float: ...

"""What stands between a model and whoever asks it."""

from __future__ import annotations

from collections.abc import Callable
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
class ReservingDefence(Defence, Protocol):
    """A defence that learns from records beside the members, as `jaxattack.types.Reserving` does.

    Attributes:
        reserve: the share of all records that a sweep sets aside for it, from 0 to below 1.
    """

    @property
    def reserve(self) -> float: ...

"""A victim seen from outside: what it answers, on which terms, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.error import InputError, at_least

Level = Literal["label", "probability", "logit"]
"""How much a service answers: the predicted class; the confidences too; the raw outputs before the softmax."""

EVERY_LEVEL: tuple[Level, ...] = ("label", "probability", "logit")
NUMBERS: tuple[Level, ...] = ("probability", "logit")
"""The levels that answer with numbers."""

Precision = Literal["float64", "float32", "bfloat16"]
EPSILON: dict[Precision, float] = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7}
"""The distance from 1 to the next number."""


class Answer(NamedTuple):
    """What an access level lets through of a batch of queries.

    Attributes:
        label: Int["query"], the predicted class; 0 throughout for a regressor.
        probability: Float["query cls"], confidences; None where withheld. Entries below the top k are NaN where a
            service answers with its k most likely classes.
        logit: Float["query cls"], raw outputs (a regressor's value is its one output); None where withheld, and NaN
            below the top k.

    Example:
        >>> terms = ja.Access(level="label", classes=2, inputs=ja.Inputs.box(-1, 1, (2,)))
        >>> answer = ja.oracle.from_function(lambda x: x.argmax(axis=1), terms)(np.asarray([[0.2, 0.7]]))
        >>> answer.label.tolist(), answer.logit
        ([1], None)
    """

    label: np.ndarray
    probability: np.ndarray | None = None
    logit: np.ndarray | None = None

    @property
    def refusal(self) -> Any:
        """Bool["query"]: whether confidences are all alike, which is how a service that refuses shows it (`Access.refuses`).

        Of another service they are an answer like others, as of two classes that round to the same. Without confidences nothing
        tells a refusal, and of one class there is nothing to refuse.
        """
        p = self.probability
        if p is None or p.shape[1] < 2:
            return self.label != self.label
        xp = p.__array_namespace__()
        return (xp.isfinite(p).sum(axis=1) > 1) & (xp.nanmax(p, axis=1) == xp.nanmin(p, axis=1))

    def take(self, queries: Any) -> Answer:
        """The answers to the chosen queries."""
        return Answer(
            self.label[queries],
            None if self.probability is None else self.probability[queries],
            None if self.logit is None else self.logit[queries],
        )


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a service documents of the records that it takes.

    Attributes:
        low: the smallest value of each feature; has the shape of one record.
        high: the largest.
        categories: how many values, 0 to n - 1, a categorical feature takes; 0 for a numeric feature.
        missing: whether NaN may stand for a feature that is not given.
        names: of the features of a table; empty where they have none.
        whole: whether the service rounds every feature to a whole number.

    Raises:
        InputError: shapes that disagree, or a range that is empty.

    Example:
        >>> ja.Inputs.box(-1, 1, (28, 28, 1)).high.shape
        (28, 28, 1)
    """

    low: Float[np.ndarray, "*feature"]
    high: Float[np.ndarray, "*feature"]
    categories: Int[np.ndarray, "*feature"]
    missing: bool = False
    names: tuple[str, ...] = ()
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low.shape == self.high.shape == self.categories.shape:
            raise InputError(
                f"low, high and categories have shapes {self.low.shape}, {self.high.shape} and {self.categories.shape}: "
                "give each the shape of one record."
            )
        if not (np.isfinite(self.low).all() and np.isfinite(self.high).all() and (self.low <= self.high).all()):
            raise InputError("low and high do not bound every feature: give finite values, low at most high.")
        if self.names and len(self.names) != self.low.size:
            raise InputError(
                f"there are {len(self.names)} names and {self.low.size} features: give one for each, or none."
            )

    @classmethod
    def box(cls, low: float, high: float, shape: tuple[int, ...], *, missing: bool = False) -> Inputs:
        """Numeric features that share one range."""
        return cls(
            low=np.full(shape, float(low)),
            high=np.full(shape, float(high)),
            categories=np.zeros(shape, int),
            missing=missing,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one record."""
        return self.low.shape


@dataclass(frozen=True, kw_only=True)
class Access:
    """The terms on which an oracle answers.

    Attributes:
        level: label, probability or logit.
        classes: how many outputs; 1 for a regressor.
        inputs: the records it takes.
        top: only the so many most likely classes are answered; 0 for all.
        decimals: confidences and logits are rounded to so many decimals; None for not at all.
        precision: the arithmetic behind the answers.
        bias: the largest size of a bias that a caller may add to chosen logits; 0 where the service offers none.
        refuses: whether a query may be refused, which shows as confidences that are all alike (`Answer.refusal`).

    Raises:
        InputError: a value out of range.

    Example:
        >>> terms = ja.Access(level="probability", classes=3, inputs=ja.Inputs.box(0, 1, (4,)), decimals=2)
        >>> terms.level, terms.classes, terms.inputs.low.shape
        ('probability', 3, (4,))
    """

    level: Level
    classes: int
    inputs: Inputs
    top: int = 0
    decimals: int | None = None
    precision: Precision = "float64"
    bias: float = 0.0
    refuses: bool = False

    def __post_init__(self) -> None:
        if self.level not in ("label", "probability", "logit"):
            raise InputError(f"level is {self.level!r}: choose label, probability or logit.")
        if self.precision not in ("float64", "float32", "bfloat16"):
            raise InputError(f"precision is {self.precision!r}: choose float64, float32 or bfloat16.")
        at_least(1, classes=self.classes)
        if not 0 <= self.top <= self.classes:
            raise InputError(
                f"top is {self.top} and there are {self.classes} classes: give 0 for all, or at most that many."
            )
        if self.decimals is not None and not 0 <= self.decimals <= 17:
            raise InputError(f"decimals is {self.decimals}: give 0 to 17, or none to leave answers unrounded.")
        if not (np.isfinite(self.bias) and self.bias >= 0):
            raise InputError(f"bias is {self.bias}: give 0 or a positive size.")


class Bias(NamedTuple):
    """What a caller adds to the logits of chosen classes before the service answers.

    Attributes:
        token: Int["query entry"], the classes; a repeated one counts once, the last.
        value: Float["query entry"].
    """

    token: np.ndarray
    value: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What has been asked of a victim, and what it cost.

    Attributes:
        queries: records asked, a repeated one each time, and those that may have been where no answer came.
        calls: batches sent.
        seconds: spent waiting for answers.
        bytes: of queries and answers together.
        price: in dollars.
    """

    queries: int = 0
    calls: int = 0
    seconds: float = 0.0
    bytes: int = 0
    price: float = 0.0

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def __sub__(self, other: Ledger) -> Ledger:
        return Ledger(**{name: value - getattr(other, name) for name, value in vars(self).items()})


class BudgetSpent(InputError):
    """A call would ask for more than is left of the query budget; nothing of it was asked.

    Attributes:
        left: how many queries may still be asked.
    """

    def __init__(self, message: str, *, left: int) -> None:
        super().__init__(message)
        self.left = left


class OracleError(InputError):
    """A victim that cannot be believed or reached: it times out, or its answers are no answers.

    Example:
        >>> terms = ja.Access(level="logit", classes=2, inputs=ja.Inputs.box(-1, 1, (2,)))
        >>> oracle = ja.oracle.from_function(lambda x: x[:, :1], terms)  # one output, where two are promised
        >>> oracle(np.zeros((5, 2)))
        Traceback (most recent call last):
        ...
        jaxattack.types.oracle.OracleError: ...
    """


@runtime_checkable
class Oracle(Protocol):
    """A victim seen from outside: called with a batch, it answers what its access level lets through, and counts.

    Example:
        >>> terms = ja.Access(level="logit", classes=2, inputs=ja.Inputs.box(-1, 1, (2,)))
        >>> oracle = ja.oracle.from_function(lambda x: 3 * x, terms)
        >>> answer = oracle(np.zeros((5, 2)))
        >>> oracle.ledger.queries
        5
    """

    @property
    def access(self) -> Access: ...

    @property
    def ledger(self) -> Ledger: ...

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch.

        Args:
            x: the queries; NaN where a feature is not given, if the service allows that.
            bias: added to chosen logits, if the service allows that.

        Raises:
            InputError: queries that the service does not take.
            BudgetSpent: more queries than are left; none was asked.
            OracleError: no answer, or one that cannot be believed.
        """
        ...

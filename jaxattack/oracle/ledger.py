"""The meter: every oracle that reaches a victim counts here what is asked and what it costs.

A query is one record, a call one batch. Bytes are those of the arrays as they are handed over and come back; an oracle
over a network counts what it sends instead. What was asked is counted, and what may have been: a call that the terms or
a budget refuse costs nothing, and one that fails in the victim's hands costs its queries. An oracle that wraps another
keeps no ledger of its own, so that there is one count for one victim.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Shaped

from jaxattack.types import Access, Answer, Bias, InputError, Ledger, Oracle, OracleError

PRICE = 0.0001
"""Dollars a query: what Amazon asked for a prediction (Tramèr et al. 2016)."""

Ask = Callable[[Shaped[np.ndarray, "query *feature"], Bias | None], Answer]
"""A victim behind the meter: it is asked at least one query, and only such as the terms allow."""


Tell = Callable[[], Mapping[str, str] | None]
"""Says what answers, as `jaxattack.oracle.identity` has it."""


class Meter:
    """Adds up what is asked; several threads may ask at once.

    Attributes:
        price: of a query, in dollars.
        ledger: of all threads together.
    """

    def __init__(self, price: float = 0.0):
        """Begin with nothing."""
        self.price, self.ledger = price, Ledger()
        self._lock, self._here = threading.Lock(), threading.local()

    @property
    def here(self) -> int:
        """Queries that were added in this thread."""
        return getattr(self._here, "queries", 0)

    def add(self, cost: Ledger) -> None:
        """Add what a call cost; its price is that of its queries."""
        self._here.queries = self.here + cost.queries
        with self._lock:
            total = self.ledger + cost
            self.ledger = replace(total, price=self.price * total.queries)  # a sum would gather rounding errors


def asked_here(oracle: Oracle) -> int | None:
    """Queries on an oracle's ledger that calls in this thread have put there; None where it does not tell threads apart."""
    return getattr(oracle, "asked_here", None)


def due(oracle: Oracle, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> int:
    """Queries that a call would put on an oracle's ledger: fewer than it asks where a batch that failed goes on, or a folder has its answer."""
    tell = getattr(oracle, "due", None)
    return len(x) if tell is None else tell(x, bias)


class CountingOracle:
    """An oracle over a function that answers: refuses what the victim does not take, and counts what it answers.

    Several threads may ask at once.

    Attributes:
        access: the terms on which it answers.
        names: of the classes, in the order of the columns; empty where they are numbered alone.
        notes: how a model from elsewhere is understood, in sentences.
    """

    def __init__(
        self,
        ask: Ask,
        access: Access,
        price: float = PRICE,
        content: Tell | None = None,
        names: Sequence[str] = (),
        notes: Sequence[str] = (),
    ):
        """Wrap a function.

        Args:
            ask: answers a batch of at least one query.
            access: the terms; a regressor, one class, answers with logits.
            price: of a query, in dollars.
            content: what answers, as `jaxattack.oracle.identity` says; asked for once, where somebody keeps answers.
            names: of the classes, in the order of the columns; none where they are numbered alone.
            notes: how a model from elsewhere is understood, in sentences.

        Raises:
            InputError: a price below 0, or a regressor that is to answer with classes.
        """
        if not (np.isfinite(price) and price >= 0):
            raise InputError(f"price is {price}: give 0 or more dollars a query.")
        if access.classes == 1 and access.level != "logit":
            raise InputError(
                f"level is {access.level!r} and the victim has one output, a number: choose level 'logit' for it."
            )
        self.access, self.names, self.notes = access, tuple(names), tuple(notes)
        self._ask, self._content = ask, content
        self._meter = Meter(price)

    @cached_property
    def content(self) -> Mapping[str, str] | None:
        """What answers, as `jaxattack.oracle.identity` says; None where it is not known."""
        return None if self._content is None else self._content()

    @property
    def ledger(self) -> Ledger:
        """What has been asked so far, and what it cost."""
        return self._meter.ledger

    @property
    def asked_here(self) -> int:
        """Queries on the ledger that were asked in this thread."""
        return self._meter.here

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch, as `jaxattack.types.Oracle` says; no queries are answered without a call."""
        x = allowed(self.access, x, bias)
        if not len(x):
            return nothing(self.access)
        begin = time.perf_counter()
        try:
            answer = self._ask(x, bias)
        except BaseException as error:
            if isinstance(error, OracleError) or not isinstance(error, InputError):
                self._count(x, bias, None, begin)
            raise
        self._count(x, bias, answer, begin)
        return answer

    def _count(self, x: np.ndarray, bias: Bias | None, answer: Answer | None, begin: float) -> None:
        cost = Ledger(
            queries=len(x),
            calls=1,
            seconds=time.perf_counter() - begin,
            bytes=self._bytes(x, bias, answer),
        )
        self._meter.add(cost)

    def _bytes(self, x: np.ndarray, bias: Bias | None, answer: Answer | None) -> int:
        """How many were handed over and came back."""
        return sum(part.nbytes for part in (x, *(bias or ()), *(answer or ())) if part is not None)


class OracleWrapper:
    """An oracle around another one, on the same terms or on others; the ledger stays the other's.

    Attributes:
        access: the terms on which it answers.
    """

    def __init__(self, oracle: Oracle, access: Access | None = None, defence: Mapping[str, Any] | None = None):
        """Wrap an oracle.

        Args:
            oracle: what is asked.
            access: the terms; those of the oracle by default.
            defence: how answers are changed, as plain values that decide it; None where they are not.
        """
        self.access = oracle.access if access is None else access
        self._oracle, self._source, self._defence = oracle, oracle, defence

    @property
    def content(self) -> Mapping[str, str] | None:
        """What answers in the end, as `jaxattack.oracle.identity` says; None where it is not known."""
        return getattr(self._source, "content", None)

    @property
    def defences(self) -> tuple[Mapping[str, Any], ...]:
        """What changes the answers, the first applied first."""
        return (*getattr(self._source, "defences", ()), *(() if self._defence is None else (self._defence,)))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, in the order of the columns; empty where they are numbered alone."""
        return tuple(getattr(self._source, "names", ()))

    @property
    def elsewhere(self) -> bool:
        """Whether a service is asked whose model may be replaced without anybody here knowing."""
        return getattr(self._source, "elsewhere", False)

    @property
    def ledger(self) -> Ledger:
        """What the victim has been asked so far, and what it cost."""
        return self._oracle.ledger

    @property
    def asked_here(self) -> int | None:
        """Queries on the ledger that were asked in this thread; None where nothing within tells."""
        return asked_here(self._oracle)

    @property
    def failures(self) -> int:
        """Queries of earlier processes that were paid for and have no answer, as `Journalled.failures`."""
        return getattr(self._oracle, "failures", 0)

    @property
    def left(self) -> int | None:
        """How many queries may still be asked; None where no budget within tells."""
        return getattr(self._oracle, "left", None)

    def due(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> int:
        """As the function of this name."""
        return due(self._oracle, x, bias)


def standing_for(client: Oracle, oracle: Oracle) -> Oracle:
    """A client of an oracle that this process serves itself: known as that oracle, for it cannot be replaced unseen."""
    return _Standing(client, oracle)


class _Standing(OracleWrapper):
    def __init__(self, client: Oracle, oracle: Oracle):
        super().__init__(client)
        self._source = oracle

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        return self._oracle(x, bias)


def digest(x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> bytes:
    """A batch as 16 bytes: another one, in value, type or shape, has others."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in (x, *(bias or ())):
        array = np.ascontiguousarray(part)
        hashed.update(f"{array.dtype.str}{array.shape}".encode())
        hashed.update(array.data)
    return hashed.digest()


def nothing(access: Access) -> Answer:
    """The answer to no queries."""
    scores = np.zeros((0, access.classes))
    return Answer(
        np.zeros(0, np.int64),
        scores if access.level == "probability" else None,
        scores if access.level == "logit" else None,
    )


def concatenate(answers: Sequence[Answer]) -> Answer:
    """The answers to one batch after the other, in one that shares no memory with them."""
    fields = {name: [field for one in answers if (field := getattr(one, name)) is not None] for name in Answer._fields}
    return Answer(**{name: np.concatenate(have) for name, have in fields.items() if have})


def allowed(access: Access, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None) -> np.ndarray:
    """The queries as an array, if a victim on these terms takes them.

    Raises:
        InputError: records of another shape, no numbers, infinity, NaN where nothing may be missing, or a bias that the
            victim does not take.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "biuf":
        raise InputError(f"queries have dtype {x.dtype}: give numbers.")
    if x.shape[1:] != access.inputs.shape or x.ndim == 0:
        raise InputError(
            f"queries have shape {x.shape} and the victim takes records of shape {access.inputs.shape}: "
            "give a batch of such records."
        )
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        if np.isinf(x).any():
            raise InputError("a query holds infinity: give finite numbers.")
        if not access.inputs.missing:
            raise InputError("a query holds NaN and the victim takes no missing features: give every feature.")
    if bias is not None:
        _allow_bias(access, len(x), bias)
    return x


def _allow_bias(access: Access, queries: int, bias: Bias) -> None:
    token, value = bias.token, bias.value
    if not (isinstance(token, np.ndarray) and isinstance(value, np.ndarray)):
        raise InputError("the bias is given as lists: give NumPy arrays of the shape [query, entry].")
    if not access.bias:
        raise InputError("a bias is given and the victim takes none: ask without one.")
    if token.shape != value.shape or token.ndim != 2 or len(token) != queries:
        raise InputError(
            f"the bias has tokens of shape {token.shape} and values of shape {value.shape} for {queries} queries: "
            "give both the shape [query, entry]."
        )
    if token.dtype.kind not in "iu" or (token.size and not (token.min() >= 0 and token.max() < access.classes)):
        raise InputError(f"a bias names a class outside 0 to {access.classes - 1}: name classes as whole numbers.")
    if not (np.abs(value) <= access.bias).all():
        raise InputError(f"a bias exceeds {access.bias}, the largest that the victim takes: lower it.")

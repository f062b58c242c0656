"""What may be asked of a victim, and how fast: wrappers Oracle -> Oracle that leave its answers as they are.

    budgeted(oracle, 1000)      so many queries on the ledger, then `BudgetSpent`
    cached(oracle, 10_000)      a record asked again costs nothing
    limited(oracle, 100.0)      so many queries a second; it waits

Order. Outermost first, an attack's oracle is checked(budgeted(journalled(checked(defences(victim), repeat=False), folder),
queries)): a budget outside of the journal counts what the attack asks, answers read back from the folder too, so that it
holds over all processes together; within the journal it would start anew with each. A call counts for what the ledger says was
asked of it, or may have been, and so do the failures that the journal keeps of earlier processes. The check within keeps what
cannot be believed out of the folder; the one outside sees the answers of earlier processes too, and the budget counts what it
asks. A cache around all of this lets repeated records pass uncounted. Several threads may ask at once.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any

import numpy as np
from jaxtyping import Shaped

from jaxattack.oracle.ledger import OracleWrapper, allowed, asked_here, concatenate, digest, due, nothing
from jaxattack.types import Answer, Bias, BudgetSpent, InputError, Ledger, Oracle


def budgeted(oracle: Oracle, queries: int) -> Budgeted:
    """Answer so many queries in all; a call that asks more than is left raises `BudgetSpent`, and asks nothing.

    A call costs what it puts on the ledger: one that fails what was asked of it, or may have been; one that is asked again, of
    a service that goes on where it stopped, the rest; one that a cache within answers, nothing. Until it ends it takes all of it,
    but for such a rest, which is all that has to be left for it.

    Raises:
        InputError: a budget below 0.
    """
    if queries < 0:
        raise InputError(f"queries is {queries}: give a budget of 0 or more.")
    return Budgeted(oracle, queries)


def cached(oracle: Oracle, entries: int) -> Oracle:
    """Answer a record that was asked before, bit for bit and with the same bias, from memory, at no cost.

    A batch asks each record once, however often it holds it. The least recently used is forgotten first.

    Args:
        oracle: what is asked.
        entries: how many answers are remembered.

    Raises:
        InputError: entries below 1.
    """
    if entries < 1:
        raise InputError(f"entries is {entries}: remember at least 1 answer, or leave the cache off.")
    return _Cached(oracle, entries)


def limited(oracle: Oracle, per_second: float) -> Oracle:
    """Answer so many queries a second: a call waits until those before it have had their time, and the ledger says so.

    Raises:
        InputError: a rate not above 0.
    """
    if not (np.isfinite(per_second) and per_second > 0):
        raise InputError(f"per_second is {per_second}: give a number of queries above 0.")
    return _Limited(oracle, per_second)


class Budgeted(OracleWrapper):
    """An oracle that answers so many queries in all."""

    def __init__(self, oracle: Oracle, queries: int):
        super().__init__(oracle)
        self._queries, self._used = queries, 0
        self._rests: set[bytes] = set()
        self._lock = threading.Lock()

    @property
    def failures(self) -> int:
        """0: those within are taken off this budget, and off no other around it."""
        return 0

    @property
    def left(self) -> int:
        """How many queries may still be asked."""
        return max(self._queries - self._used - super().failures, 0)

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        with self._lock:
            queries, rest = self._charge(x, bias)
        before = self._counted()
        try:
            answer = self._oracle(x, bias)
        except BaseException:
            self._give_back(queries, before)
            raise
        finally:
            self._rests.discard(rest)
        if asked_here(self._oracle) is not None:  # what tells nothing of threads may count nothing either
            self._give_back(queries, before)
        return answer

    def _charge(self, x: np.ndarray, bias: Bias | None) -> tuple[int, bytes]:
        """Take what a call may cost, and name the batch where that is the rest of one: of two threads one goes on with it.

        Raises:
            BudgetSpent: more than is left.
        """
        queries, rest = len(x), b""
        if queries > self.left and (batch := digest(np.asarray(x), bias)) not in self._rests:
            queries, rest = min(queries, due(self._oracle, x, bias)), batch
        if queries > self.left:
            raise BudgetSpent(
                f"the budget of {self._queries:,} queries has {self.left:,} left "
                f"({self._queries - self.left:,} were asked) and "
                f"this call asks {queries:,}: raise the budget.",
                left=self.left,
            )
        self._used += queries
        if rest:
            self._rests.add(rest)
        return queries, rest

    def _counted(self) -> int:
        here = asked_here(self._oracle)
        return self.ledger.queries if here is None else here

    def _give_back(self, queries: int, before: int) -> None:
        """Take off what a call was charged and the ledger does not have."""
        with self._lock:
            self._used -= max(queries - (self._counted() - before), 0)


class _Cached(OracleWrapper):
    def __init__(self, oracle: Oracle, entries: int):
        super().__init__(oracle)
        self._entries = entries
        self._entries_by_key: OrderedDict[tuple[Any, ...], Answer] = OrderedDict()
        self._lock = threading.Lock()

    def due(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> int:  # noqa: ARG002
        """All of a batch: other threads may have it forget what it answers now."""
        return len(x)

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        x = allowed(self.access, x, bias)
        if not len(x):
            return nothing(self.access)
        parts = (x, *(bias or ()))
        kinds = tuple(part.dtype.str for part in parts)
        keys = [(kinds, *(part[query].tobytes() for part in parts)) for query in range(len(x))]
        with self._lock:
            rows = {key: self._entries_by_key[key] for key in keys if key in self._entries_by_key}
        first: dict[tuple[Any, ...], int] = {}
        for query, key in enumerate(keys):
            if key not in rows:
                first.setdefault(key, query)
        if first:
            new = list(first.values())
            answers = self._oracle(x[new], None if bias is None else Bias(bias.token[new], bias.value[new]))
            # A list of one takes a copy: a view of its row would keep the whole batch in memory.
            rows |= {key: answers.take([at]) for at, key in enumerate(first)}
        self._keep({key: rows[key] for key in keys})
        return concatenate([rows[key] for key in keys])

    def _keep(self, rows: dict[tuple[Any, ...], Answer]) -> None:
        with self._lock:
            for key, row in rows.items():
                self._entries_by_key[key] = row
                self._entries_by_key.move_to_end(key)
            while len(self._entries_by_key) > self._entries:
                self._entries_by_key.popitem(last=False)


class _Limited(OracleWrapper):
    def __init__(self, oracle: Oracle, per_second: float):
        super().__init__(oracle)
        self._per_second, self._free, self._waited = per_second, 0.0, 0.0
        self._lock = threading.Lock()

    @property
    def ledger(self) -> Ledger:
        """What the victim has answered so far, and what it cost, its seconds with those waited."""
        return self._oracle.ledger + Ledger(seconds=self._waited)

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free)
            self._free = start + len(x) / self._per_second
            self._waited += start - now
        time.sleep(start - now)
        return self._oracle(x, bias)

"""Many searches that ask at once: each is written as if it were alone, and all their questions go out together.

A search is a generator: it yields rows to ask and is sent their identities. In each round the questions of all open
searches make up one call.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

Result = TypeVar("Result")
Search = Generator[np.ndarray, np.ndarray, Result]


class Transcript:
    """The rows that one search asked, and their identities.

    Attributes:
        rows: Float["query feature"], NaN where a feature was not given.
        identity: Int["query"].
    """

    def __init__(self, rows: Float[np.ndarray, "query feature"], identity: Int[np.ndarray, "query"]) -> None:
        self.rows = rows
        self.identity = identity

    @classmethod
    def nothing(cls, features: int) -> Transcript:
        """No rows yet."""
        return cls(np.empty((0, features)), np.empty(0, int))

    def ask(self, rows: Float[np.ndarray, "query feature"]) -> Search[Int[np.ndarray, "query"]]:
        """Ask rows, if there are any, and keep them; the search ``identity = yield from transcript.ask(rows)``."""
        if not len(rows):
            return np.empty(0, int)
        identity = yield rows
        self.rows = np.concatenate([self.rows, rows])
        self.identity = np.concatenate([self.identity, identity])
        return identity

    def take(self, index: Bool[np.ndarray, "query"]) -> Transcript:
        """The chosen rows."""
        return Transcript(self.rows[index], self.identity[index])

    def farthest(self, row: Float[np.ndarray, "feature"]) -> Float[np.ndarray, "feature"]:
        """The row that differs from this one in the most features."""
        return self.rows[((self.rows != row) & ~np.isnan(row)).sum(axis=1).argmax()]

    @property
    def mixed(self) -> bool:
        """Whether two rows have different identities."""
        return bool((self.identity != self.identity[:1]).any())

    @property
    def most(self) -> int:
        """The most frequent identity."""
        return int(np.bincount(self.identity).argmax())


def together(searches: Iterable[Search[Result]]) -> Search[list[Result]]:
    """One search made of several: their results, in order."""
    results: dict[int, Result] = {}
    waiting = []
    for number, search in enumerate(searches):
        _advance(number, search, None, waiting, results)
    while waiting:
        answers = yield np.concatenate([rows for _, _, rows in waiting])
        batch, waiting = waiting, []
        for number, search, rows in batch:
            _advance(number, search, answers[: len(rows)], waiting, results)
            answers = answers[len(rows) :]
    return [results[number] for number in sorted(results)]


def run(searches: list[Search[None]], ask: Callable[[np.ndarray], np.ndarray]) -> None:
    """Run searches to their ends, a call a round; those appended to the list meanwhile join in.

    Args:
        searches: emptied as they are started.
        ask: rows["query feature"] -> identities["query"]; what it raises ends the run.
    """
    waiting: list[tuple[int, Search[None], np.ndarray]] = []
    while True:
        while searches:
            _advance(0, searches.pop(0), None, waiting, {})
        if not waiting:
            return
        answers = ask(np.concatenate([rows for _, _, rows in waiting]))
        batch, waiting = waiting, []
        for _, search, rows in batch:
            _advance(0, search, answers[: len(rows)], waiting, {})
            answers = answers[len(rows) :]


def _advance(number, search, answer, waiting, results) -> None:
    """Send an answer; the search either waits for the next one or has its result."""
    try:
        rows = next(search) if answer is None else search.send(answer)
    except StopIteration as end:
        results[number] = end.value
    else:
        waiting.append((number, search, rows))

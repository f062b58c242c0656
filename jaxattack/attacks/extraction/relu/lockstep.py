"""Searches that run as generators, asked by one loop: one victim, or many at once.

A search yields queries and is sent what the victim's function is there. In every round each unfinished search's batch
goes to its own victim, all at the same time, so that round trips to remote victims overlap. A search sees only its own
answers: it asks what it would have asked alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from jaxattack.types import InputError

Search = Generator[np.ndarray, Any, Any]
"""Yields z["query feature"] and is sent y["query output"]; started, as every generator, by None."""


class Task(NamedTuple):
    """A search and whom it asks.

    Attributes:
        search: is thrown what the victim raised, such as `BudgetSpent`.
        ask: z -> y, once a round.
    """

    search: Search
    ask: Callable[[np.ndarray], np.ndarray]


def run(task: Task) -> Any:
    """One search to its end.

    Raises:
        InputError: what the victim or the search raised.
    """
    result = run_many([task])[0]
    if isinstance(result, InputError):
        raise result
    return result


def run_many(tasks: Sequence[Task]) -> list[Any]:
    """All searches to their ends, round by round: what each returned, or the `InputError` that ended it.

    `BudgetSpent` is thrown into the search, which may make do with what it has.
    """
    results: dict[int, Any] = {}
    waiting = {number: _advance(each.search, None, results, number) for number, each in enumerate(tasks)}
    with ThreadPoolExecutor(max_workers=max(len(tasks), 1)) as pool:
        while open_ := [number for number in waiting if number not in results]:
            batch = [(tasks[number], waiting[number]) for number in open_]
            answers = [_ask(*batch[0])] if len(batch) == 1 else list(pool.map(_ask, *zip(*batch, strict=True)))
            for number, answer in zip(open_, answers, strict=True):
                waiting[number] = _advance(tasks[number].search, answer, results, number)
    return [results[number] for number in range(len(tasks))]


def _ask(task: Task, queries: np.ndarray) -> np.ndarray | InputError:
    try:
        return task.ask(queries)
    except InputError as error:
        return error


def _advance(search: Search, answer: np.ndarray | InputError | None, results: dict[int, Any], number: int) -> Any:
    """The search's next queries; what it returned or raised is kept among the results."""
    try:
        return search.throw(answer) if isinstance(answer, InputError) else search.send(answer)
    except StopIteration as stop:
        results[number] = stop.value
    except InputError as error:
        results[number] = error
    return None


def meter(search: Search) -> Generator[np.ndarray, Any, tuple[Any, int]]:
    """The same search; it returns the number of its queries too."""
    queries, step = 0, search.send
    answer: Any = None
    try:
        while True:
            batch = step(answer)
            queries += len(batch)
            try:
                step, answer = search.send, (yield batch)
            except InputError as error:
                queries -= len(batch)
                step, answer = search.throw, error
    except StopIteration as stop:
        return stop.value, queries

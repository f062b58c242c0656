"""Searches that run as generators, each written as if it were alone, asked by one loop: one victim, or many at once.

A search yields a batch of queries and is sent the answers; started, as every generator, by None. It sees its own answers
only, and asks what it would have asked alone.

    together   several searches of one victim: the batches of a round make one call
    run        one search, one victim
    run_many   searches of several victims, all asked at the same time, so that round trips to remote ones overlap
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from jaxattack.types import InputError

Result = TypeVar("Result")
Search = Generator[np.ndarray, Any, Result]
"""Yields x["query feature"] and is sent y["query ..."]."""

Ask = Callable[[np.ndarray], np.ndarray]
"""x["query feature"] -> y["query ..."]."""


class Task(NamedTuple):
    """A search, and the victim that it asks once a round; it is thrown what that raised, such as `BudgetSpent`."""

    search: Search[Any]
    ask: Ask


def together(searches: list[Search[Result]]) -> Search[list[Result]]:
    """One search made of several: what each returned, in the order of their start. An error ends all of them.

    Args:
        searches: emptied as they are started; those appended meanwhile join in at the next round.
    """
    results: dict[int, Result] = {}
    waiting: list[tuple[int, Search[Result], np.ndarray]] = []
    started = 0

    def advance(number: int, search: Search[Result], answer: np.ndarray | None) -> None:
        try:
            waiting.append((number, search, search.send(answer)))
        except StopIteration as end:
            results[number] = end.value

    while True:
        while searches:
            advance(started, searches.pop(0), None)
            started += 1
        if not waiting:
            return [results[number] for number in range(started)]
        answers = yield np.concatenate([queries for *_, queries in waiting])
        batch, waiting = waiting, []
        for number, search, queries in batch:
            advance(number, search, answers[: len(queries)])
            answers = answers[len(queries) :]


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
    waiting = {number: _advance(task.search, None, results, number) for number, task in enumerate(tasks)}
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


def _advance(search: Search[Any], answer: np.ndarray | InputError | None, results: dict[int, Any], number: int) -> Any:
    """The search's next queries; what it returned or raised is kept among the results."""
    try:
        return search.throw(answer) if isinstance(answer, InputError) else search.send(answer)
    except StopIteration as stop:
        results[number] = stop.value
    except InputError as error:
        results[number] = error
    return None

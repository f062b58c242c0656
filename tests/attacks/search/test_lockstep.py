"""One loop for many searches."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.attacks.search.lockstep import Task, run, run_many, together
from jaxattack.types import BudgetSpent, InputError


def adding(rounds):
    """Asks `rounds` batches of two and adds up the answers."""
    total = 0.0
    for number in range(rounds):
        total += float((yield np.full((2, 1), float(number))).sum())
    return total


def patient(rounds):
    """The same, but keeps what it has when the budget ends."""
    total = 0.0
    try:
        for number in range(rounds):
            total += float((yield np.full((2, 1), float(number))).sum())
    except BudgetSpent:
        return -total
    return total


def victim(budget=np.inf):
    left = [budget]

    def ask(x):
        if len(x) > left[0]:
            raise BudgetSpent("spent", left=int(left[0]))
        left[0] -= len(x)
        return 10 * x

    return ask


def test_each_search_ends_with_what_it_returns_alone():
    together = run_many([Task(adding(rounds), victim()) for rounds in (3, 1, 5, 0)])
    assert together == [run(Task(adding(rounds), victim())) for rounds in (3, 1, 5, 0)] == [60, 0, 200, 0]


def test_searches_of_one_victim_share_its_calls_and_those_added_meanwhile_join_in():
    searches, sizes = [adding(3), adding(0), adding(1)], []

    def ask(x):
        sizes.append(len(x))
        if len(sizes) == 2:
            searches.append(adding(2))
        return 10 * x

    assert run(Task(together(searches), ask)) == [60, 0, 0, 20]
    assert sizes == [4, 2, 4, 2]
    assert not searches


def test_an_error_ends_all_searches_of_one_victim():
    with pytest.raises(BudgetSpent):
        run(Task(together([adding(3), patient(3)]), victim(7)))


def test_an_error_ends_its_own_search_and_no_other():
    spent, ended, kept = run_many([Task(adding(3), victim(4)), Task(adding(3), victim()), Task(patient(3), victim(4))])
    assert isinstance(spent, BudgetSpent)
    assert (ended, kept) == (60, -20)


def test_one_search_alone_raises_its_error():
    with pytest.raises(InputError, match="spent"):
        run(Task(adding(3), victim(3)))

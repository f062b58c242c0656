from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.oracle import budgeted, cached, from_function, limited
from jaxattack.types import Access, Answer, Bias, BudgetSpent, InputError, Inputs, Ledger

INPUTS = Inputs.box(0, 9, (2,), missing=True)


def victim(level="probability", bias=0.0):
    """Answers each record with a function of it, and remembers what it was asked."""
    seen = []

    def function(x, bias=None):
        seen.append(x.copy())
        p = 1 / (1 + np.exp(-np.nansum(x, axis=1) - (0 if bias is None else bias.value.sum(1))))
        return np.stack([p, 1 - p], axis=1)

    oracle = from_function(function, Access(level=level, classes=2, inputs=INPUTS, bias=bias))
    return oracle, seen


def test_a_budget_is_spent_to_the_last_query_and_not_beyond():
    inner, seen = victim()
    oracle = budgeted(inner, 10)
    oracle(np.zeros((6, 2)))
    assert oracle.left == 4
    with pytest.raises(BudgetSpent) as spent:
        oracle(np.zeros((5, 2)))
    assert spent.value.left == 4
    assert str(spent.value) == (
        "the budget of 10 queries has 4 left (6 were asked) and this call asks 5: raise the budget."
    )
    assert len(seen) == 1  # nothing of the last call was asked
    oracle(np.zeros((4, 2)))
    assert oracle.left == 0
    assert oracle.ledger.queries == 10
    oracle(np.zeros((0, 2)))
    with pytest.raises(BudgetSpent):
        oracle(np.zeros((1, 2)))


def test_a_call_that_fails_takes_nothing_from_the_budget():
    oracle = budgeted(victim()[0], 10)
    with pytest.raises(InputError, match="infinity"):
        oracle(np.full((6, 2), np.inf))
    assert oracle.left == 10


def test_a_call_that_fails_in_the_hands_of_the_victim_costs_its_queries():
    def broken(x):
        seen.append(len(x))
        raise ConnectionResetError

    seen = []
    oracle = budgeted(from_function(broken, Access(level="label", classes=2, inputs=INPUTS)), 10)
    for left in (6, 2):
        with pytest.raises(ConnectionResetError):
            oracle(np.zeros((4, 2)))
        assert oracle.left == left
    with pytest.raises(BudgetSpent):
        oracle(np.zeros((4, 2)))
    assert sum(seen) == oracle.ledger.queries == 8


def test_threads_do_not_overspend():
    oracle = budgeted(victim()[0], 500)
    refused = []

    def ask():
        for _ in range(100):
            try:
                oracle(np.zeros((1, 2)))
            except BudgetSpent:
                refused.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert oracle.ledger.queries == 500
    assert len(refused) == 300


def test_a_call_that_fails_gives_back_its_own_whatever_another_thread_asks():
    begun, asked = threading.Event(), threading.Event()

    def function(x):
        if len(x) == 6:
            begun.set()
            assert asked.wait(20)
            raise InputError("a record is none of mine.")
        return x[:, 0].astype(int)

    oracle = budgeted(from_function(function, Access(level="label", classes=2, inputs=INPUTS)), 20)

    def fail():
        with pytest.raises(InputError, match="none of mine"):
            oracle(np.zeros((6, 2)))

    thread = threading.Thread(target=fail)
    thread.start()
    assert begun.wait(20)
    oracle(np.zeros((5, 2)))
    asked.set()
    thread.join()
    assert oracle.left == 20 - oracle.ledger.queries == 15


def test_a_budget_is_spent_by_what_the_victim_is_asked():
    inner, _ = victim()
    oracle = budgeted(cached(inner, 10), 4)
    oracle(np.zeros((3, 2)))
    assert oracle.left == 4 - inner.ledger.queries == 3
    oracle(np.zeros((3, 2)))
    assert oracle.left == 3


class Uncounted:
    """An oracle that keeps no ledger."""

    access, ledger = Access(level="label", classes=2, inputs=INPUTS), Ledger()

    def __call__(self, x, bias=None):
        return Answer(np.zeros(len(x), int))


def test_a_budget_ends_around_an_oracle_that_counts_nothing():
    oracle = budgeted(Uncounted(), 5)
    oracle(np.zeros((3, 2)))
    assert oracle.left == 2
    with pytest.raises(BudgetSpent):
        oracle(np.zeros((3, 2)))


class Naive:
    """The least recently used cache as a list."""

    def __init__(self, entries):
        self.entries, self.keys = entries, []

    def misses(self, batch):
        new = [key for key in dict.fromkeys(batch) if key not in self.keys]
        for key in dict.fromkeys(batch):
            if key in self.keys:
                self.keys.remove(key)
            self.keys.append(key)
        self.keys = self.keys[-self.entries :]
        return len(new)


@given(st.integers(1, 6), st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=12))
def test_a_cache_asks_what_a_naive_one_asks_and_answers_as_without_it(entries, batches):
    inner, seen = victim()
    oracle, plain, naive = cached(inner, entries), victim()[0], Naive(entries)
    asked = 0
    for batch in batches:
        x = np.stack([np.array(batch, float), np.ones(len(batch))], axis=1).reshape(-1, 2)
        asked += naive.misses(batch)
        answer, expected = oracle(x), plain(x)
        np.testing.assert_array_equal(answer.probability, expected.probability)
        np.testing.assert_array_equal(answer.label, expected.label)
        assert oracle.ledger.queries == asked
    assert all(len(np.unique(x, axis=0)) == len(x) for x in seen)


def test_a_cache_tells_records_apart_by_their_bits():
    inner, _ = victim()
    oracle = cached(inner, 100)
    tiny = np.full((1, 2), 5e-324)
    for x in (tiny, np.zeros((1, 2)), -np.zeros((1, 2)), np.ones((1, 2), np.int64), np.full((1, 2), np.nan)):
        before = oracle.ledger.queries
        oracle(x)
        oracle(x)
        assert oracle.ledger.queries == before + 1
    assert np.ones((1, 2), np.int64).tobytes() == tiny.tobytes()  # the types tell these two apart


def test_a_cache_tells_biases_apart():
    oracle = cached(victim(bias=5.0)[0], 100)
    x = np.zeros((1, 2))
    plain = oracle(x).probability
    for token, value in ((0, 1.0), (0, 2.0), (1, 2.0)):
        bias = Bias(np.array([[token]]), np.array([[value]]))
        assert (oracle(x, bias).probability != plain).any()
        oracle(x, bias)
    assert oracle.ledger.queries == 4


def test_a_cached_answer_is_not_changed_by_whoever_got_it_first():
    oracle = cached(victim()[0], 10)
    oracle(np.ones((2, 2))).probability[:] = -1
    assert (oracle(np.ones((1, 2))).probability > 0).all()


def test_answers_of_all_levels_come_back_from_the_cache():
    for level in ("label", "logit"):
        access = Access(level=level, classes=2, inputs=INPUTS)
        oracle = cached(from_function(lambda x, level=level: x if level == "logit" else x[:, 0].astype(int), access), 9)
        x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        first, again = oracle(x), oracle(x[::-1])
        np.testing.assert_array_equal(first.label[::-1], again.label)
        assert (first.logit is None) == (level == "label")
        assert oracle.ledger.queries == 2


def test_a_rate_is_kept_and_its_waiting_is_on_the_ledger(monkeypatch):
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    oracle = limited(victim()[0], 10.0)
    for count in (5, 20, 1, 1):
        oracle(np.zeros((count, 2)))
    np.testing.assert_allclose(slept, [0, 0.5, 2.0, 0.1])
    assert 2.6 <= oracle.ledger.seconds < 3.6
    now[0] += 1000
    oracle(np.zeros((1, 2)))
    assert slept[-1] == 0


def test_a_rate_really_waits():
    oracle = limited(victim()[0], 100.0)
    started = time.perf_counter()
    for _ in range(3):
        oracle(np.zeros((5, 2)))
    assert time.perf_counter() - started >= 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda oracle: budgeted(oracle, -1), "queries is -1"),
        (lambda oracle: cached(oracle, 0), "entries is 0"),
        (lambda oracle: limited(oracle, 0.0), "per_second is 0.0"),
        (lambda oracle: limited(oracle, np.inf), "per_second is inf"),
    ],
)
def test_a_quota_that_makes_no_sense_is_refused(make, message):
    oracle = victim()[0]
    with pytest.raises(InputError, match=message):
        make(oracle)
    assert oracle.ledger == Ledger()

from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from serve.victims import INPUTS, logits, probabilities, queries, victim

from jaxattack.oracle.ledger import CountingOracle
from jaxattack.oracle.remote.wire import JSON, NPY, read_answer
from jaxattack.serve import Key, Settings, serving
from jaxattack.serve.account import Account
from jaxattack.serve.answering import Answering
from jaxattack.serve.batching import SMALL, Batching, Prediction, Reply
from jaxattack.serve.refusal import Refusal
from jaxattack.types import Access, Answer, Bias


def body(x: np.ndarray) -> bytearray:
    file = io.BytesIO()
    np.save(file, x)
    return bytearray(file.getvalue())


def prediction(x: np.ndarray, account: Account) -> Prediction:
    return Prediction(account, body(x), NPY, NPY, 0)


def answer(reply: Reply, access: Access, count: int) -> Answer:
    assert isinstance(reply, bytes)
    return read_answer(reply, NPY, access, count)


def answering(oracle, records: int = 100) -> Answering:
    return Answering(oracle, records, Settings())


def test_a_batch_is_answered_as_each_alone_in_one_call():
    batched, alone = victim(), victim()
    account = Account("anyone", Settings())
    asked = [queries(size, seed=size) for size in (1, 3, 2)]
    replies = answering(batched)([prediction(x, account) for x in asked])
    twins = [answering(alone)([prediction(x, account)])[0] for x in asked]
    assert replies == twins
    assert (batched.ledger.calls, alone.ledger.calls) == (1, 3)
    assert batched.ledger.queries == 6
    np.testing.assert_array_equal(answer(replies[1], batched.access, 3).probability, probabilities(asked[1]))


def test_no_call_has_more_queries_than_a_request_may():
    sizes = []

    def label(x, _):
        sizes.append(len(x))
        return Answer(np.zeros(len(x), np.int64))

    oracle = CountingOracle(label, Access(level="label", classes=2, inputs=INPUTS))
    account = Account("anyone", Settings())
    answering(oracle, records=5)([prediction(queries(size), account) for size in (2, 3, 1, 5, 4)])
    assert sizes == [5, 1, 5, 4]


def test_a_request_with_a_bias_is_a_call_of_its_own_and_counts_for_itself():
    oracle = victim(level="logit", bias=1.0)
    account = Account("anyone", Settings())
    x = queries(2)
    bias = Bias(np.array([[0], [1]]), np.array([[0.5], [0.25]]))
    file = io.BytesIO()
    for array in (x, *bias):
        np.save(file, array)
    biased = Prediction(account, bytearray(file.getvalue()), NPY, NPY, 0)
    replies = answering(oracle)([prediction(x, account), biased, prediction(x, account)])
    first, second, third = (np.asarray(answer(reply, oracle.access, 2).logit) for reply in replies)
    np.testing.assert_array_equal(first, logits(x))
    np.testing.assert_array_equal(third, first)
    np.testing.assert_array_equal(second - first, [[0.5, 0, 0, 0], [0, 0.25, 0, 0]])
    assert oracle.ledger.calls == 3


def test_what_fails_for_one_is_refused_to_that_one_alone():
    def fail_at_zero(x, _):
        if (x == 0).all(axis=1).any():
            raise ValueError("a zero")
        return Answer(np.ones(len(x), np.int64))

    oracle = CountingOracle(fail_at_zero, Access(level="label", classes=2, inputs=INPUTS))
    account = Account("a", Settings(), Key(name="a", secret="s", queries=5))
    bodies = [queries(2), np.zeros((1, 6)), np.full((1, 6), np.nan), queries(2), queries(2)]
    replies = answering(oracle)([prediction(x, account) for x in bodies])
    assert [reply.status if isinstance(reply, Refusal) else 200 for reply in replies] == [200, 503, 400, 200, 402]
    assert account.queries == 4
    assert oracle.ledger.queries == 5 + 5  # all together, then one by one
    account.charge(1, 0)  # what failed was given back


def test_nothing_is_answered_where_what_is_spent_cannot_be_kept():
    def spend(_):
        raise OSError(28, "No space left on device")

    account = Account("a", Settings(), Key(name="a", secret="s", queries=5))
    (reply,) = Answering(victim(), 100, Settings(), spend)([prediction(queries(5), account)])
    assert isinstance(reply, Refusal)
    assert reply.status == 503
    assert "No space left" in str(reply)
    assert account.queries == 0
    account.charge(5, 0)  # they were given back


def test_a_fault_while_answering_leaves_nobody_waiting_and_the_next_is_answered():
    faults = [RuntimeError("a fault"), None]

    def answer(batch) -> list[Reply]:
        if fault := faults.pop(0):
            raise fault
        return [b"answered" for _ in batch]

    async def ask() -> bytes:
        batching = Batching(answer, most=10, patience=0.0)
        asked = prediction(queries(1), Account("anyone", Settings()))
        with pytest.raises(RuntimeError, match="a fault"):
            await batching(asked)
        return await batching(asked)

    assert asyncio.run(asyncio.wait_for(ask(), 20)) == b"answered"


def test_callers_at_the_same_time_share_calls_and_budgets_are_exact():
    begun, release = threading.Event(), threading.Event()
    sizes = []

    def label(x, _):
        sizes.append(len(x))
        begun.set()
        assert release.wait(20)
        return Answer(np.arange(len(x)) % 4)

    oracle = CountingOracle(label, Access(level="label", classes=4, inputs=INPUTS))
    keys = [Key(name="a", secret="s", queries=6)]
    with (
        serving(oracle, keys=keys) as url,
        httpx.Client(headers={"Authorization": "Bearer s"}, timeout=30) as client,
        ThreadPoolExecutor(10) as pool,
    ):

        def ask() -> int:
            return client.post(f"{url}/predict", json={"inputs": queries(1).tolist()}).status_code

        first = pool.submit(ask)
        assert begun.wait(20)
        others = [pool.submit(ask) for _ in range(8)]
        assert not oracle.ledger.calls
        threading.Timer(0.3, release.set).start()
        statuses = [first.result(), *(one.result() for one in others)]
    assert sorted(statuses) == [200] * 6 + [402] * 3
    assert sum(sizes) == 6
    assert len(sizes) < 6


@pytest.mark.parametrize("large", [False, True])
def test_a_large_request_is_answered_alone(large):
    """Small ones are not kept waiting for what takes long to read."""
    batching = Batching(lambda batch: [b""] * len(batch), most=10, patience=0.0)
    size = SMALL + 1 if large else SMALL
    account = Account("anyone", Settings())
    for length in (1, size, 1, 1):
        batching._waiting.append((Prediction(account, bytearray(length), JSON, JSON, 0), None))  # pyright: ignore
    lengths = []
    while batching._waiting:
        lengths.append(len(batching._next()))
    assert lengths == ([1, 1, 2] if large else [4])

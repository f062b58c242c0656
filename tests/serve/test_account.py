from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.serve import Key, Settings
from jaxattack.serve.account import Account, AnswerCache, Rate
from jaxattack.serve.refusal import Refusal


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    rate=st.floats(0.5, 100),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), min_size=1, max_size=40),
)
def test_no_more_than_the_rate_is_let_through_and_the_announced_wait_suffices(rate, steps):
    clock = Clock()
    bucket = Rate(rate, clock)
    taken = largest = 0
    for pause, queries in steps:
        clock.now += pause
        wait = bucket.take(queries)
        if wait:
            clock.now += wait
            assert bucket.take(queries) == 0
        taken, largest = taken + queries, max(largest, queries)
        assert taken <= max(rate, 1) + rate * clock.now + largest + 1e-6


def test_a_budget_allows_exactly_itself():
    account = Account("a", Settings(), Key(name="a", secret="s", queries=5))
    for _ in range(5):
        account.charge(1, 1)
        account.settle(1, answered=True)
    with pytest.raises(Refusal, match="1 queries are asked and 0 are left") as caught:
        account.charge(1, 0)
    assert caught.value.detail == {"left": 0}


def made(kept: AnswerCache, *requests: tuple[str, bytes]) -> list[str]:
    """The identities whose answers had to be made."""
    fresh = []

    async def run() -> None:
        for identity, answer in requests:

            async def make(identity=identity, answer=answer) -> bytes:
                fresh.append(identity)
                return answer

            assert (await kept.once(identity, b"", make))[0] == answer

    anyio.run(run)
    return fresh


def test_as_many_answers_are_kept_as_allowed_and_the_newest_whatever_its_size():
    a, b, c = ("a", b"1"), ("b", b"22"), ("c", b"333")
    assert made(AnswerCache(2, 100), a, b, a, c, b, a) == ["a", "b", "c", "a"]
    assert made(AnswerCache(9, 5), a, b, c, b, c, a) == ["a", "b", "c", "a"]
    assert made(AnswerCache(9, 2), c, c, a, a, c) == ["c", "a", "c"]


def test_a_repetition_is_made_itself_where_the_first_fails():
    kept, attempts = AnswerCache(2, 100), []

    async def run() -> None:
        making, repeated = anyio.Event(), anyio.Event()

        async def fail() -> bytes:
            attempts.append("fails")
            making.set()
            await repeated.wait()
            raise Refusal(503, "no.")

        async def first() -> None:
            with pytest.raises(Refusal):
                await kept.once("a", b"", fail)

        async def second() -> None:
            async def make() -> bytes:
                attempts.append("made")
                return b"1"

            await making.wait()
            repeated.set()  # the first goes on once this one waits for it
            assert await kept.once("a", b"", make) == (b"1", False)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            tasks.start_soon(second)

    anyio.run(run)
    assert attempts == ["fails", "made"]

"""What one key has asked: its budget, its rate, and the answers that are kept so that a retry is not counted twice."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

import anyio

from jaxattack.serve.refusal import Refusal
from jaxattack.serve.settings import Key, Settings

Clock = Callable[[], float]


class Rate:
    """A token bucket: it fills at a rate, holds one second's worth, and a batch that is larger takes it into debt.

    In the long run no more than the rate is let through, and no batch is too large to be let through ever.
    """

    def __init__(self, per_second: float, clock: Clock = time.monotonic):
        self._per_second, self._clock = per_second, clock
        self._size = max(per_second, 1.0)
        self._tokens, self._then = self._size, clock()

    def take(self, queries: int) -> float:
        """Take so many tokens; seconds until that can be done where it cannot be done now, and 0 where it was."""
        now = self._clock()
        self._tokens = min(self._size, self._tokens + (now - self._then) * self._per_second)
        self._then = now
        missing = min(queries, self._size) - self._tokens
        if missing > 1e-9:  # what rounding leaves after the announced wait
            return missing / self._per_second
        self._tokens -= queries
        return 0.0


class AnswerCache:
    """The newest answers by the identity of their request; the very newest whatever its size."""

    def __init__(self, entries: int, size: int):
        self._entries, self._size = entries, size
        self._answers: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._making: dict[str, anyio.Event] = {}
        self._bytes = 0

    async def once(self, identity: str, digest: bytes, make: Callable[[], Awaitable[bytes]]) -> tuple[bytes, bool]:
        """The answer to a request, made at most once while it is kept.

        A repetition that arrives while the first is being made waits for it, and is made itself where that fails.

        Args:
            identity: names the request.
            digest: of all that the answer depends on.
            make: makes the answer.

        Returns:
            The answer, and whether it had been kept.

        Raises:
            Refusal: another request has the same name.
        """
        while identity in self._making:
            await self._making[identity].wait()
        if identity in self._answers:
            first, answer = self._answers[identity]
            if first != digest:
                raise Refusal(422, f"the identity {identity!r} names another request: give each request its own.")
            return answer, True
        event = self._making[identity] = anyio.Event()
        try:
            answer = await make()
            self._keep(identity, digest, answer)
        finally:
            del self._making[identity]
            event.set()
        return answer, False

    def _keep(self, identity: str, digest: bytes, answer: bytes) -> None:
        self._answers[identity] = digest, answer
        self._bytes += len(answer)
        while len(self._answers) > self._entries or (self._bytes > self._size and len(self._answers) > 1):
            _, (_, oldest) = self._answers.popitem(last=False)
            self._bytes -= len(oldest)


class Account:
    """One who asks.

    Attributes:
        name: in /metrics.
        queries: answered, by earlier servers too where what is spent is kept.
        replayed: requests answered again, and not counted.
        seconds: that the model took.
        cache: answers for repeated requests.
        paid: receipts of requests that earlier servers answered and counted.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        key: Key | None = None,
        clock: Clock = time.monotonic,
        spent: int = 0,
        paid: Iterable[str] = (),
    ):
        self.name, self.paid = name, frozenset(paid)
        self.queries = spent
        self.replayed = self._charged = 0
        self.seconds = 0.0
        self.cache = AnswerCache(settings.kept, settings.kept_bytes)
        self._budget = None if key is None else key.queries
        self._rate = Rate(key.per_second, clock) if key and key.per_second else None

    def charge(self, queries: int, coming: int) -> None:
        """Allow a request, or refuse it; its queries are charged until they are settled.

        Args:
            queries: in it.
            coming: in the batch that it begins, itself included.

        Raises:
            Refusal: the budget is less than the batch, or the rate does not allow the request yet.
        """
        left = math.inf if self._budget is None else self._budget - self.queries - self._charged
        if max(queries, coming) > left:
            sentence = (
                f"{max(queries, coming):,} queries are asked and {left:,} are left of the key's budget: ask fewer."
            )
            raise Refusal(402, sentence, detail={"left": left})
        wait = self._rate.take(queries) if self._rate else 0.0
        if wait:
            sentence = f"the key's rate allows {queries:,} more queries in {wait:.3g} s: wait and ask again."
            after = {"Retry-After": str(math.ceil(wait))}
            raise Refusal(429, sentence, detail={"retry_after": wait}, headers=after)
        self._charged += queries

    def settle(self, queries: int, *, answered: bool) -> None:
        """Count queries that were charged, or give them back."""
        self._charged -= queries
        self.queries += queries if answered else 0

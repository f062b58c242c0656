"""Requests that wait at the same time, answered together: one call of the oracle, one handover to the worker thread.

The oracle answers in one worker thread. While it works, further small requests wait; when it is done, all of them are its
next batch. Callers who were answered together ask again at about the same time: a batch waits a moment for as many requests
as the last one had. A caller who is alone waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import anyio
import anyio.to_thread

from jaxattack.oracle.remote.wire import Media
from jaxattack.serve.account import Account

SMALL = 1 << 15
"""Bytes of a body up to which a request may share a batch: beyond, its own reading and writing take longest."""


class Prediction(NamedTuple):
    """One request for predictions, arrived whole.

    Attributes:
        account: who asks.
        body: what is asked.
        media: of the body.
        reply_media: of the answer.
        coming: queries announced of the batch that it begins.
        worked: queries that the caller has worked for; None where no work is asked for.
        receipt: tells the request from others; empty where it has no name.
    """

    account: Account
    body: bytearray
    media: Media
    reply_media: Media
    coming: int
    worked: int | None = None
    receipt: str = ""


Reply = bytes | Exception
"""The body of an answer, or why there is none."""


class Batching:
    """A queue of requests before one worker thread, on one event loop of asyncio."""

    def __init__(self, answer: Callable[[Sequence[Prediction]], list[Reply]], *, most: int, patience: float):
        """Make a queue.

        Args:
            answer: runs in the worker thread, a batch at a time; a reply for each request.
            most: requests in a batch.
            patience: seconds that a batch waits for as many requests as the last one had.
        """
        self._answer, self._most, self._patience = answer, most, patience
        self._waiting: deque[tuple[Prediction, asyncio.Future[bytes]]] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._last = 1
        self._enough: asyncio.Future[None] | None = None

    @cached_property
    def _worker(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(1)  # made where the event loop runs

    async def __call__(self, prediction: Prediction) -> bytes:
        """The answer to a request, in its turn.

        Raises:
            Refusal: it is not answered.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting.append((prediction, future))
        if self._enough is not None and len(self._waiting) >= self._last:
            _resolve(self._enough)
        if self._draining is None:
            self._draining = loop.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._wait()
                batch = self._next()
                self._last = len(batch)
                try:
                    # Abandoned only where the server stops, and its grace has passed.
                    replies = await anyio.to_thread.run_sync(
                        self._answer,
                        [prediction for prediction, _ in batch],
                        limiter=self._worker,
                        abandon_on_cancel=True,
                    )
                except Exception as error:  # whoever waits is told, and the next batch is answered
                    replies = [error] * len(batch)
                for (_, future), reply in zip(batch, replies, strict=True):
                    if future.done():  # nobody waits any more
                        continue
                    if isinstance(reply, Exception):
                        future.set_exception(reply)
                    else:
                        future.set_result(reply)
        finally:
            self._draining = None

    async def _wait(self) -> None:
        """Until as many wait as the last batch had, or patience ends."""
        if len(self._waiting) >= self._last:
            return
        loop = asyncio.get_running_loop()
        self._enough = loop.create_future()
        timer = loop.call_later(self._patience, _resolve, self._enough)
        await self._enough
        timer.cancel()
        self._enough = None

    def _next(self) -> list[tuple[Prediction, asyncio.Future[bytes]]]:
        """The requests of the next batch, in the order of their arrival: a large one alone, or small ones in a row."""
        batch = [self._waiting.popleft()]
        while (
            self._waiting
            and len(batch) < self._most
            and all(len(prediction.body) <= SMALL for prediction, _ in (batch[-1], self._waiting[0]))
        ):
            batch.append(self._waiting.popleft())
        return batch


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

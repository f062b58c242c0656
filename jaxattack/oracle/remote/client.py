"""A prediction API seen from outside, as an oracle: what it answers is checked, and what it costs is counted once.

Every request carries an identity, the same at each attempt, so that a service that keeps its answers counts it once;
here it is counted when its answer arrives, whatever that says, and when none does although the service may have had it: also
where it refuses another attempt of the same request, as one whose budget the lost answer has spent. A
batch that fails half-way keeps what was answered: asked again through the same connection, it goes on where it stopped,
under the same identities, and nothing is paid for twice.

A batch larger than the service takes at once is sent in parts; the first announces all of it, so that a budget that is
too small refuses the whole batch before anything is answered. (Where someone else spends the same key's budget at the
same time, a later part may still be refused.)

Where the service asks for work before an answer (`puzzle`), it is done, part by part, and its time is on the ledger.

The ledger counts requests as calls, and the bodies of both directions as bytes.
"""

from __future__ import annotations

import itertools
import math
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple, Self

import numpy as np
from jaxtyping import Shaped

from jaxattack.oracle.ledger import Meter, allowed, concatenate, digest, nothing
from jaxattack.oracle.remote.exchange import Exchange, NoReply, Reply
from jaxattack.oracle.remote.puzzle import MOST, PART, PROOF, proof, read_puzzle, solve
from jaxattack.oracle.remote.wire import (
    BATCH,
    DAMAGE,
    IDENTITY,
    JSON,
    NPY,
    Media,
    read_access,
    read_answer,
    read_json,
    read_names,
    write_queries,
)
from jaxattack.types import Access, Answer, Bias, BudgetSpent, InputError, Ledger, OracleError

_WIDEST = {NPY: 8, JSON: 28}  # bytes that a number takes at most, with its commas and brackets
_ENVELOPE = 1 << 16  # bytes for what is around the numbers, and for a refusal
_LARGEST_TERMS = 1 << 26
_LARGEST_ANSWER = 1 << 31
_PUZZLES = 5  # in a row that a service may take for none before it is not believed
_MOST_CLASSES = 1 << 24  # several times the largest published label sets; what attacks it takes arrays of so many rows


class _Batch(NamedTuple):
    """A batch under way: its parts, their identities, the answers that have arrived, and the parts that are on the ledger."""

    parts: list[slice]
    identities: list[str]
    answers: dict[int, Answer]
    ledger: set[int]


def connect(
    url: str,
    *,
    key: str | None = None,
    timeout: float = 30.0,
    retries: int = 5,
    price: float | None = None,
    format: Literal["npy", "json"] = "npy",
) -> Remote:
    """A prediction API as an oracle.

    Args:
        url: where it is, without /predict. A user and password in it, or a query, are sent with every request, and shown
            nowhere.
        key: sent as a bearer token.
        timeout: seconds that an attempt may go without progress, and that the body of a response may take in all.
        retries: how many more attempts follow one that failed.
        price: of a query, in dollars; by default what the service documents.
        format: of the bodies, both ways.

    Raises:
        InputError: a URL, key, time or count that is none.
        OracleError: the service cannot be reached, or does not describe itself as one.
    """
    if format not in ("npy", "json"):
        raise InputError(f"format is {format!r}: choose npy or json.")
    if not (math.isfinite(timeout) and timeout > 0):
        raise InputError(f"timeout is {timeout}: give more than 0 seconds.")
    if retries < 0:
        raise InputError(f"retries is {retries}: give 0 or more.")
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise InputError(f"price is {price}: give 0 or more dollars a query.")
    if key is not None and not re.fullmatch(r"[!-~]{1,256}", key):
        raise InputError("the key is no token: give 1 to 256 printable characters, no spaces.")
    exchange = Exchange(url, key=key, timeout=timeout, retries=retries)
    try:
        return Remote(exchange, NPY if format == "npy" else JSON, price)
    except BaseException:
        exchange.close()
        raise


class Remote:
    """A prediction API as an oracle; close it, or use it as a context. Several threads may ask at once.

    Attributes:
        access: the terms that the service documents.
        names: of the classes, in the order of the columns; empty where it documents none.
        url: where it is, its credentials masked.
        elsewhere: True: its model may be replaced without anybody here knowing.
    """

    elsewhere = True

    def __init__(self, exchange: Exchange, media: Media, price: float | None):
        """Read the terms; `connect` makes one."""
        self._exchange, self.url = exchange, exchange.url
        self._media: Media = media
        self._session, self._numbers = secrets.token_hex(12), itertools.count()
        self._lock = threading.Lock()
        self._unfinished: dict[bytes, _Batch] = {}
        terms = _terms(exchange)
        self.access, self.names = terms.access, terms.names
        self._records, self._bytes, self._bits = terms.records, terms.bytes, terms.bits
        self._meter = Meter(terms.price if price is None else price)

    @property
    def ledger(self) -> Ledger:
        """What has been asked so far, and what it cost."""
        return self._meter.ledger

    @property
    def asked_here(self) -> int:
        """Queries on the ledger that were asked in this thread."""
        return self._meter.here

    def due(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> int:
        """Queries that a call would put on the ledger: of a batch that failed before, those that are not on it yet."""
        x = _as_sent(np.asarray(x))
        with self._lock:
            batch = self._unfinished.get(digest(x, bias))
        return len(x) if batch is None else sum(len(x[p]) for at, p in enumerate(batch.parts) if at not in batch.ledger)

    def close(self) -> None:
        """Let go of the connections."""
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        """Answer a batch, as `jaxattack.types.Oracle` says."""
        x = allowed(self.access, x, bias)
        if not len(x):
            return nothing(self.access)
        x = _as_sent(x)
        batch = self._begin(x, bias)
        try:
            for number in range(len(batch.parts)):
                if number not in batch.answers:
                    batch.answers[number] = self._ask(x, bias, batch, number)
        except BaseException:
            with self._lock:
                self._unfinished[digest(x, bias)] = batch
            raise
        return concatenate([batch.answers[number] for number in range(len(batch.parts))])

    def _begin(self, x: np.ndarray, bias: Bias | None) -> _Batch:
        """What is under way of a batch that failed before, or else a new one."""
        with self._lock:
            unfinished = self._unfinished.pop(digest(x, bias), None) if self._unfinished else None
        if unfinished is not None:
            return unfinished
        numbers = x[0].size + sum(array[0].size for array in bias or ())
        most = max(1, min(self._records, (self._bytes - 2048) // (numbers * _WIDEST[self._media] + 32)))
        most = most if self._bits is None else max(1, min(most, PART >> self._bits))
        parts = [slice(begin, begin + most) for begin in range(0, len(x), most)]
        return _Batch(parts, [f"{self._session}-{next(self._numbers)}" for _ in parts], {}, set())

    def _ask(self, x: np.ndarray, bias: Bias | None, batch: _Batch, number: int) -> Answer:
        begin, part = time.perf_counter(), batch.parts[number]
        queries = len(x[part])
        body = write_queries(x[part], bias and Bias(bias.token[part], bias.value[part]), self._media)
        headers = {"Content-Type": self._media, "Accept": self._media, IDENTITY: batch.identities[number]}
        headers[BATCH] = str(len(x) - part.start)
        most = min(_ENVELOPE + queries * (self.access.classes + 1) * _WIDEST[self._media], _LARGEST_ANSWER)

        def count(answer: int) -> None:
            """Put the part on the ledger, once, and what this try of it cost; an answer of so many bytes came."""
            first = number not in batch.ledger
            batch.ledger.add(number)
            cost = Ledger(seconds=time.perf_counter() - begin, bytes=len(body) + answer)
            self._meter.add(replace(cost, queries=queries, calls=1) if first else cost)

        reply = self._predict(body, headers, queries, most, count)
        if reply.asked:
            count(len(reply.body))
        return self._read(reply, queries)

    def _predict(
        self, body: bytes, headers: dict[str, str], queries: int, most: int, count: Callable[[int], None]
    ) -> Reply:
        """Ask, with a solved puzzle where the service wants one; another where it has expired meanwhile.

        What may have been asked and is not answered is counted.
        """
        for _ in range(_PUZZLES):
            if self._bits is not None:
                headers = headers | {PROOF: self._work(queries)}
            try:
                reply = self._exchange.ask("POST", "/predict", most=most, body=body, headers=headers)
            except BaseException as error:
                if not isinstance(error, NoReply) or error.sent:
                    count(0)
                raise
            if self._bits is None or reply.status != 428:
                return reply
        raise OracleError(f"{self.url} takes no proof of work, of {_PUZZLES} that it was sent: {reply.sentence()}")

    def _work(self, queries: int) -> str:
        """A puzzle for so many queries, solved."""
        reply = self._exchange.ask("GET", "/puzzle", most=_ENVELOPE, headers={BATCH: str(queries)})
        _expect(reply, JSON, self.url)
        puzzle = read_puzzle(reply.body, self.url)
        return proof(puzzle, solve(puzzle))

    def _read(self, reply: Reply, queries: int) -> Answer:
        url, left = self._exchange.url, reply.detail().get("left") if reply.status == 402 else None
        if type(left) is int and left >= 0:
            raise BudgetSpent(f"{url}: {reply.sentence()}", left=left)
        if reply.status in (400, 413, 422):
            raise InputError(f"{url} refuses the queries: {reply.sentence()}")
        _expect(reply, self._media, url)
        try:
            return read_answer(reply.body, self._media, self.access, queries)
        except OracleError as error:
            raise OracleError(f"{url} cannot be believed: {error}") from error


def _as_sent(x: np.ndarray) -> np.ndarray:
    """Queries in numbers that every machine has."""
    return x.astype(np.float64) if x.dtype.itemsize > 8 else x


def _expect(reply: Reply, media: Media, url: str) -> None:
    if reply.status in (401, 403):
        raise InputError(f"{url} refuses the key: {reply.sentence()}")
    if reply.status != 200:
        raise OracleError(f"{url} does not answer as a prediction API: {reply.sentence()}")
    if reply.media() != media:
        raise OracleError(f"{url} does not answer as a prediction API: {reply.media()!r:.80} came for {media}.")


class _Terms(NamedTuple):
    """What a service documents: its terms, the names of its classes, its price, the most records and bytes of a request, and the
    bits of work for a query, if any."""

    access: Access
    names: tuple[str, ...]
    price: float
    records: int
    bytes: int
    bits: int | None


def _terms(exchange: Exchange) -> _Terms:
    reply = exchange.ask("GET", "/describe", most=_LARGEST_TERMS)
    _expect(reply, JSON, exchange.url)
    try:
        terms = read_json(reply.body)
        price, limits = terms["price"], terms["limits"]
        records, size = limits["records"], limits["bytes"]
        if type(price) not in (int, float) or not (math.isfinite(price) and price >= 0):
            raise InputError(f"price is {price!r:.40}.")
        if type(records) is not int or type(size) is not int or min(records, size) < 1:
            raise InputError(f"limits are {limits!r:.80}.")
        access = read_access(terms["access"])
        if access.classes > _MOST_CLASSES:
            raise InputError(f"classes is {access.classes}.")
        names = read_names(terms.get("names", []))
        if len(names) not in (0, access.classes):
            raise InputError(f"names has {len(names)} entries and classes is {access.classes}.")
        bits = terms["puzzle"]["bits"] if "puzzle" in terms else None
        if bits is not None and (type(bits) is not int or not 1 <= bits < MOST.bit_length()):
            raise InputError(f"puzzle is {terms['puzzle']!r:.80}.")
        return _Terms(access, names, float(price), records, size, bits)
    except DAMAGE as error:
        raise OracleError(f"{exchange.url} does not describe itself as a prediction API: {error}") from error

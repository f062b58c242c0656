"""Puzzles that have to be solved before an answer (`jaxattack.oracle.remote.puzzle`): for one key, for a time, for one request.

A challenge says itself for whom, for how many queries and until when it is, under a secret of this process: nothing is kept of
those that are given out, and no number of them fills the memory. Of those that are solved, and so have cost their sender work, the
names are kept until they would have expired: none is taken twice.
"""

from __future__ import annotations

import base64
import heapq
import hmac
import re
import secrets
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jaxattack.oracle.remote.puzzle import Puzzle, is_solved
from jaxattack.serve.account import Clock
from jaxattack.serve.refusal import Refusal

_FIELDS = struct.Struct(">14sQI")  # a name at random, when it expires in ms, for how many queries
_TAG = 16
_PROOF = re.compile(r"([A-Za-z0-9_-]{56}) ([0-9]{1,20})")


class Puzzles:
    """Puzzles of one server."""

    def __init__(self, bits: int, seconds: float, clock: Clock = time.monotonic):
        """Give out none yet.

        Args:
            bits: a query takes 2^bits hashes on average.
            seconds: within which a puzzle is solved and used.
            clock: in seconds.
        """
        self._bits, self._seconds, self._clock = bits, seconds, clock
        self._secret = secrets.token_bytes(32)
        self._spent: set[bytes] = set()
        self._expiry: list[tuple[int, bytes]] = []

    def issue(self, account: str, queries: int) -> Puzzle:
        """A puzzle for so many queries of a key."""
        expires = int(1000 * (self._clock() + self._seconds))
        fields = _FIELDS.pack(secrets.token_bytes(14), expires, queries)
        challenge = base64.urlsafe_b64encode(fields + self._tag(account, fields)).decode()
        return Puzzle(challenge, queries << self._bits)

    @contextmanager
    def spend(self, account: str, proof: str | None) -> Iterator[int]:
        """Take a solved puzzle for a request, and give it back where the request is not answered.

        Args:
            account: who asks.
            proof: the header, if there was one.

        Yields:
            For how many queries the puzzle was.

        Raises:
            Refusal: it is missing, not solved, another's, too old, or taken already.
        """
        name, expires, queries = self._check(account, proof)
        while self._expiry and self._expiry[0][0] < self._now():
            self._spent.discard(heapq.heappop(self._expiry)[1])
        self._spent.add(name)
        try:
            yield queries
        except BaseException:
            self._spent.discard(name)
            raise
        heapq.heappush(self._expiry, (expires, name))

    def _check(self, account: str, proof: str | None) -> tuple[bytes, int, int]:
        if proof is None:
            raise _refusal("this service asks for work before it answers")
        match = _PROOF.fullmatch(proof)
        if match is None:
            raise _refusal("the proof of work is no challenge of this service and a counter")
        token = base64.urlsafe_b64decode(match[1])
        fields, tag = token[: _FIELDS.size], token[_FIELDS.size :]
        if not hmac.compare_digest(tag, self._tag(account, fields)):
            raise _refusal("the challenge is none that this service gave to this key")
        name, expires, queries = _FIELDS.unpack(fields)
        if expires < self._now():
            raise _refusal(f"the challenge is older than {self._seconds:g} s")
        if name in self._spent:
            raise _refusal("the challenge has been used")
        if not is_solved(Puzzle(match[1], queries << self._bits), int(match[2])):
            raise _refusal("the counter does not solve the challenge")
        return name, expires, queries

    def _tag(self, account: str, fields: bytes) -> bytes:
        return hmac.digest(self._secret, fields + account.encode(), "sha256")[:_TAG]

    def _now(self) -> int:
        return int(1000 * self._clock())


def _refusal(reason: str) -> Refusal:
    return Refusal(428, f"{reason}: ask GET /puzzle for a challenge, with the number of queries in Batch-Queries.")

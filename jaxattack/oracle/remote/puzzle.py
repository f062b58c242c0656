"""Proof of work before an answer: the puzzle of a service that asks for one (hashcash, Back 2002, over SHA-256).

    GET /puzzle         with ``Batch-Queries: n``: {"challenge": text, "hashes": n << bits}
    POST /predict       with ``Proof-Of-Work: challenge counter``, the challenge as it came and a whole number, in decimal

A counter solves it where SHA-256 of "challenge:counter", as a number of 256 bits, times `hashes` is below 2^256: so many counters
are tried on average, whatever their order, and n queries take n times the work of one.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import NamedTuple

from jaxattack.oracle.remote.wire import DAMAGE, read_json
from jaxattack.types import OracleError

PROOF = "Proof-Of-Work"
"""The header of a solved puzzle."""

MOST = 1 << 28
"""Hashes, beyond which no puzzle is worked at: some four minutes of one core for one answer."""

PART = 1 << 24
"""Hashes for the queries of one request: some 15 seconds. Where queries cost more, a request has fewer of them."""


class Puzzle(NamedTuple):
    """What a service asks for.

    Attributes:
        challenge: its text.
        hashes: how many are tried on average.
    """

    challenge: str
    hashes: int


def is_solved(puzzle: Puzzle, counter: int) -> bool:
    """Whether a counter solves a puzzle."""
    digest = hashlib.sha256(f"{puzzle.challenge}:{counter}".encode()).digest()
    return int.from_bytes(digest) * puzzle.hashes < 1 << 256


def solve(puzzle: Puzzle) -> int:
    """The first counter that solves a puzzle."""
    prefix, limit = hashlib.sha256(f"{puzzle.challenge}:".encode()), (1 << 256) // puzzle.hashes
    for counter in itertools.count():
        attempt = prefix.copy()
        attempt.update(b"%d" % counter)
        if int.from_bytes(attempt.digest()) < limit:
            return counter
    raise AssertionError("counters do not end")


def proof(puzzle: Puzzle, counter: int) -> str:
    """The value of the header."""
    return f"{puzzle.challenge} {counter}"


def read_puzzle(body: bytes | bytearray, url: str) -> Puzzle:
    """The puzzle that a service sent.

    Raises:
        OracleError: it is none, or takes more work than anybody should do for an answer.
    """
    try:
        puzzle = read_json(body)
        challenge, hashes = puzzle["challenge"], puzzle["hashes"]
    except DAMAGE as error:
        raise OracleError(f"{url} asks for work and sends no puzzle: {error}") from error
    if not (isinstance(challenge, str) and re.fullmatch(r"[!-~]{1,256}", challenge)):
        raise OracleError(f"{url} asks for work and sends {challenge!r:.80} as its challenge: it should be a token.")
    if type(hashes) is not int or not 1 <= hashes <= MOST:
        raise OracleError(
            f"{url} asks for {hashes!r:.40} hashes before it answers, and 1 to 2^28 are tried, some four minutes of one core: ask "
            "its owner for less work, or ask no more of it."
        )
    return Puzzle(challenge, hashes)

"""What a prediction API allows: sizes and times for everybody, a budget and a rate for each key."""

from __future__ import annotations

import math
import re
from dataclasses import field

from jaxattack.oracle.ledger import PRICE
from jaxattack.oracle.remote.puzzle import MOST
from jaxattack.types import InputError, at_least, config

MOST_BITS = MOST.bit_length() - 1
"""Of the work for one query: the most that a client does."""


@config
class Key:
    """One who may ask, and how much.

    Attributes:
        name: in /metrics, for this key alone.
        secret: what is sent as ``Authorization: Bearer SECRET``.
        queries: how many may be answered: in all, where what is spent is kept in a file, else while the server runs; None for
            any number.
        per_second: queries a second in the long run; one second's worth may come at once, and a batch larger than that
            when nothing has come for a second. None for any rate.

    Raises:
        InputError: a value out of range.
    """

    name: str
    secret: str = field(repr=False)
    queries: int | None = None
    per_second: float | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", self.name):
            raise InputError(f"name is {self.name!r:.80}: give 1 to 64 letters, digits, dots, dashes or underscores.")
        if not re.fullmatch(r"[!-~]{1,256}", self.secret):
            raise InputError(f"secret of key {self.name!r} is no token: give 1 to 256 printable characters, no spaces.")
        if self.queries is not None and self.queries < 1:
            raise InputError(f"queries is {self.queries}: give at least 1, or none for no budget.")
        if self.per_second is not None and not (math.isfinite(self.per_second) and self.per_second > 0):
            raise InputError(f"per_second is {self.per_second}: give more than 0, or none for any rate.")


@config
class Settings:
    """The limits that hold for every request.

    Attributes:
        price: documented to the caller, dollars a query.
        open_terms: the terms are open to all, where otherwise only who has a key may read them.
        records: queries in one request; fewer where the float64 numbers of queries or answers would exceed `bytes`.
        bytes: of the body of a request; a larger one is refused before it has arrived.
        largest: numbers beyond this size are refused; they overflow inside a model.
        seconds: within which a request has to arrive, and then its answer to be taken by the caller.
        connections: open at once; more are refused with status 503.
        patience: seconds that small requests may wait to be answered in one batch with others, where several callers ask at
            the same time; 0 for none. A caller who is alone waits for nobody.
        kept: answers kept for each key, so that a repeated request is answered again and counted once.
        kept_bytes: how much those may take; the newest is always kept.
        grace: seconds that requests in flight have to finish when the server stops.
        puzzle: bits of work for a query: a caller tries 2^puzzle hashes on average before it is answered, and twice as many for
            two queries. 0 for none. A second of one core is about 20.
        puzzle_seconds: within which a caller solves a puzzle and uses it.

    Raises:
        InputError: a value out of range.
    """

    price: float = PRICE
    open_terms: bool = False
    records: int = 4096
    bytes: int = 1 << 24
    largest: float = 1e15
    seconds: float = 30.0
    connections: int = 64
    patience: float = 0.002
    kept: int = 256
    kept_bytes: int = 1 << 26
    grace: int = 30
    puzzle: int = 0
    puzzle_seconds: float = 600.0

    def __post_init__(self) -> None:
        at_least(
            1,
            records=self.records,
            bytes=self.bytes,
            connections=self.connections,
            kept=self.kept,
            kept_bytes=self.kept_bytes,
        )
        if not 0 <= self.puzzle <= MOST_BITS:
            raise InputError(f"puzzle is {self.puzzle}: give 0 to {MOST_BITS} bits.")
        for name in ("largest", "seconds", "grace", "puzzle_seconds"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"{name} is {getattr(self, name)}: give more than 0.")
        if not (math.isfinite(self.patience) and 0 <= self.patience <= 1):
            raise InputError(f"patience is {self.patience}: give 0 to 1 second.")
        if not (math.isfinite(self.price) and self.price >= 0):
            raise InputError(f"price is {self.price}: give 0 or more dollars a query.")

"""What an attack in rounds is made of: its plan, what it knows when it chooses queries, and what it chooses."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.extraction.substitute import Stolen, Substitute
from jaxattack.types import Access, ExtractionAttack, InputError, Inputs


class Round(NamedTuple):
    """One round of a member.

    Attributes:
        queries: how many it may ask.
        train: whether a substitute is trained on everything asked until then.
    """

    queries: int
    train: bool = True


class History(NamedTuple):
    """Everything that a member has asked, in order.

    Attributes:
        x: the queries.
        label: what they were answered.
        target: the same as distributions over the classes.
    """

    x: Float[np.ndarray, "query *feature"]
    label: Int[np.ndarray, "query"]
    target: Float[np.ndarray, "query cls"]


class View(NamedTuple):
    """What a member knows when it chooses queries.

    Attributes:
        number: of the round, from 0.
        queries: how many it may ask.
        history: until now.
        stolen: the substitute of the last round that trained one; None before, and for a blind attack.
        inputs: of the service.
        pool: records of the attacker's own.
        rng: the member's own.
        memory: what the last choice left.
    """

    number: int
    queries: int
    history: History
    stolen: Stolen | None
    inputs: Inputs
    pool: np.ndarray | None
    rng: np.random.Generator
    memory: Any


class Choice(NamedTuple):
    """What a member asks.

    Attributes:
        x: at most as many queries as the round has.
        memory: for the next choice.
    """

    x: Float[np.ndarray, "query *feature"]
    memory: Any = None


class Strategy(ExtractionAttack, Protocol):
    """An attack in rounds.

    Attributes:
        budget: queries; None for the attack's own figure.
        substitute: what it trains.
        soft: whether it learns from confidences where they are answered.
        blind: whether it chooses without a substitute.
        records: of the attacker's own that it asks; 0 for none.
    """

    @property
    def budget(self) -> int | None: ...

    @property
    def substitute(self) -> Substitute: ...

    @property
    def soft(self) -> bool: ...

    @property
    def blind(self) -> bool: ...

    @property
    def records(self) -> int: ...

    def plan(self, access: Access, /) -> list[Round]:
        """Its rounds; their queries add up to the budget."""
        ...

    def choose(self, view: View) -> Choice:
        """The queries of a round."""
        ...


def own_records(view: View, queries: int) -> Float[np.ndarray, "record *feature"]:
    """The attacker's own records, of which so many will be asked.

    Raises:
        InputError: there are fewer.
    """
    records = 0 if view.pool is None else len(view.pool)
    if view.pool is None or records < queries:
        raise InputError(
            f"pool has {records:,} records and {queries:,} are to be asked: give more, or a smaller budget."
        )
    return view.pool

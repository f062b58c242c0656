"""What every audit that asks a victim says of the queries: how many, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxattack.types import Ledger


@dataclass(frozen=True, kw_only=True)
class QueryCost:
    """What asking cost.

    Attributes:
        queries: asked of the victim, those of a theft before an attack too.
        calls: batches sent.
        bytes: of queries and answers.
        price: in dollars.
        kept: queries that an earlier start had paid for.
    """

    queries: int
    calls: int
    bytes: int
    price: float
    kept: int


def query_cost(cost: Ledger, prepaid: int) -> dict[str, Any]:
    """The fields of `QueryCost`.

    Args:
        cost: of all queries.
        prepaid: answers that an earlier start had paid for, of which no more were needed than there are queries.
    """
    return {
        "queries": cost.queries,
        "calls": cost.calls,
        "bytes": cost.bytes,
        "price": cost.price,
        "kept": min(prepaid, cost.queries),
    }

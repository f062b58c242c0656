"""Which models of a sweep share out the records, as the pairs of `jaxattack.data.designs.Halves` do.

Records that all models have, or none, tell nothing and are not looked at.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Int

Result = TypeVar("Result")

_VALUES: dict[int, dict[tuple[Any, ...], Any]] = {}


def once(function: Callable[..., Result]) -> Callable[..., Result]:
    """A function of a member matrix and more, computed once for a matrix that cannot be written to, as long as that lives.

    Many attacks are run on the same models, and who is whose reference follows from who was trained on what alone. Of a matrix
    that can be written to it is computed anew. The values are shared: nobody may write to them.
    """

    @wraps(function)
    def value(member: Bool[np.ndarray, "model record"], *rest: Any) -> Result:
        if member.flags.writeable:
            return function(member, *rest)
        if id(member) not in _VALUES:
            _VALUES[id(member)] = {}
            weakref.finalize(member, _VALUES.pop, id(member), None)
        values = _VALUES[id(member)]
        key = (function, *(part.tobytes() if isinstance(part, np.ndarray) else part for part in rest))
        if key not in values:
            values[key] = function(member, *rest)
        return values[key]

    return value


def varying_records(member: Bool[np.ndarray, "model record"]) -> Int[np.ndarray, "varying"]:
    """The records that some models have and some have not."""
    return np.flatnonzero(member.any(axis=0) & ~member.all(axis=0))


@once
def model_clusters(member: Bool[np.ndarray, "model record"]) -> Int[np.ndarray, "model"]:
    """Models that have the same members, or exactly the members that the others lack.

    Returns:
        A label for each model, from 0, in the order in which the clusters begin.
    """
    bits = np.packbits(member, axis=1)
    varying = np.bitwise_or.reduce(bits, axis=0) & ~np.bitwise_and.reduce(bits, axis=0)
    first_varying = int(np.unpackbits(varying).argmax())
    flipped = np.where(member[:, [first_varying]], np.uint8(255), np.uint8(0))
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(row.tobytes(), len(first)) for row in (bits ^ flipped) & varying])

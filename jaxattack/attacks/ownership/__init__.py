"""Tests of ownership: configurations that prepare evidence once and hold it against suspects, and their registry by name.

rank      how a suspect fits the owner's records, ranked among models trained without them
"""

from __future__ import annotations

from jaxattack.attacks.naming import named
from jaxattack.attacks.ownership.rank import Rank
from jaxattack.types import OwnershipTest

_DEFAULTS: tuple[OwnershipTest, ...] = (
    Rank(statistic="lira"),
    Rank(statistic="loss"),
    Rank(statistic="label"),
)
ATTACKS: dict[str, OwnershipTest] = {test.name: test for test in _DEFAULTS}


def lookup(name: str) -> OwnershipTest:
    """One test by name, which may set its fields as an address does: ``rank-lira?records=200``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("rank-lira?records=200").records
        200
    """
    return named(name, ATTACKS, "ownership test")


__all__ = ["ATTACKS", "Rank", "lookup"]

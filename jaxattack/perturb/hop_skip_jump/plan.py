"""What HopSkipJump asks about a record, and in which order."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxattack.perturb.norms import Norm
from jaxattack.types import InputError

TRIES, GROWTH, FIRST = 10, 8.0, 0.125
"""Starts that are tried; each pair has so many times the noise of the one before, the first FIRST times the scale."""

HALVINGS = 4
"""Of a step, at most."""

FINEST = 10
"""Steps of a bisection, at least: in few dimensions theta is as coarse as a third of the distance."""

LARGEST = 10_000
"""Probes of an iteration, at most: the paper's."""

MOST = 2**30
"""Queries of a record, at most: they are numbered in 32 bits."""


class Plan(NamedTuple):
    """What is asked about every record, in order.

    Attributes:
        tries: starts that are tried, at most.
        bisections: steps of a bisection.
        probes: of each iteration.
        halvings: of a step, at most.
        within: the norm of distances.
    """

    tries: int
    bisections: int
    probes: tuple[int, ...]
    halvings: int
    within: Norm = "l2"

    @property
    def queries(self) -> int:
        """About one record, itself among them, where nothing is left out."""
        return 1 + self.tries + self.bisections + sum(self.probes) + len(self.probes) * self.after_probes

    @property
    def after_probes(self) -> int:
        """Queries of an iteration that are not probes."""
        return self.halvings + self.bisections

    @property
    def begins(self) -> tuple[int, ...]:
        """The number of each iteration's first query."""
        sizes = [probes + self.after_probes for probes in self.probes]
        return tuple(1 + self.tries + self.bisections + sum(sizes[:n]) for n in range(len(sizes)))


def plan(queries: int, features: int, within: Norm = "l2") -> Plan:
    """The plan that spends so many queries on a record.

    The first iteration probes B_1 = 2 sqrt(queries) times: the paper's 100 where there are 2,500 queries. What is left
    after the last whole iteration makes a shorter one, or more probes of the last where it is too little. Median relative
    error of the distance on linear models of 64 features:

        queries   B_1 = 20    30    50   100   200
        250           .231  .211  .212  .295  .452
        1,000         .043  .034  .031  .042  .086
        2,500         .021  .015  .013  .012  .017

    Args:
        queries: exactly, the record itself among them.
        features: of a record.
        within: the norm.

    Raises:
        InputError: too few queries for one iteration, or more than can be numbered.
    """
    if queries > MOST:
        raise InputError(f"queries is {queries}: give at most {MOST:,} of each record.")
    bisections = max(math.ceil((1.5 if within == "l2" else 2) * math.log2(features)), FINEST)
    beyond, left = HALVINGS + bisections, queries - 1 - TRIES - bisections
    if left <= beyond:
        raise InputError(
            f"queries is {queries}: HopSkipJump needs at least {queries - left + beyond + 1} on records of {features} features."
        )
    initial = 2 * math.sqrt(queries)
    probes: list[int] = []
    while left >= (size := min(int(initial * math.sqrt(len(probes) + 1)), LARGEST)) + beyond:
        probes.append(size)
        left -= size + beyond
    if not probes or left > beyond + size // 2:
        probes.append(left - beyond)
    else:
        probes[-1] += left
    return Plan(TRIES, bisections, tuple(probes), HALVINGS, within)

"""HopSkipJump: the nearest point that a model labels otherwise, from labels alone (Chen, Jordan and Wainwright 2020).

For a record x of d features and its label, ``outside`` says of a point whether it is labelled otherwise. After a start, a
noisy copy of x that is outside, and a bisection between it and x, iteration n = 1, 2, ... is

    probe     B_n = B_1 sqrt(n) points p + delta u_b around the last point p, u_b uniform on the sphere,
              delta = sqrt(d) theta |p - x|, theta = d^(-3/2)
    direction v = sum (g_b - mean g) u_b, g_b = 1 outside and -1 inside; where all agree, +-sum u_b        (equation 16)
    step      p + v |p - x| / sqrt(n), halved until it is outside
    bisect    between that and x, to theta |p - x|

All records are at the same place of the same plan, so that a round is one batch. The steps below are pure functions of a
`Search` and of keys, one of each record: what happens to a record does not depend on the others. `traced` drives them
within a program, where every record is asked at every place of the plan; `rounds` asks somebody outside, and only about
records that still have to know. Both find the same points of the same keys.

The u_b of an iteration are one table for all records, each ``features`` of them orthogonal to each other, and a record takes them with
signs of its own, drawn from its key. Each u_b is uniform on the sphere, as in the paper, and so the estimate is as unbiased; but
where probes fill a basis of d features, what is left across the direction is 1 - 2/pi of what it is by independent draws (36%). A
table of normal numbers is drawn once, and not for each record: of 2,500 probes of small networks that took more time than the network.
Given the table, records are independent; the table itself depends on no seed.

In the max norm theta = d^(-2), a step follows the signs of v, and a bisection moves the point outside to a smaller ball of that norm
around x. Distances are in whatever units the records have. A record for which no start is found stays at its last try.
"""

from __future__ import annotations

from jaxattack.perturb.hop_skip_jump.drive import Round, Rounds, rounds, traced
from jaxattack.perturb.hop_skip_jump.plan import Plan, plan
from jaxattack.perturb.hop_skip_jump.steps import Region, Search, distance

__all__ = ["Plan", "Region", "Round", "Rounds", "Search", "distance", "plan", "rounds", "traced"]

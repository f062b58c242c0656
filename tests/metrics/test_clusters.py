"""What follows from a member matrix, computed once for all that read it."""

from __future__ import annotations

import numpy as np

from jaxattack.metrics import clusters
from jaxattack.metrics.clusters import once


def test_what_follows_from_a_matrix_is_computed_once_where_it_cannot_be_written_to():
    calls = []
    count = once(lambda member, row, side: calls.append(side) or int(member[row].sum()))
    member = np.eye(3, dtype=bool)
    assert [count(member, np.arange(2), "in") for _ in range(2)] == [2, 2]
    assert calls == ["in", "in"]
    member.setflags(write=False)
    assert [count(member, np.arange(size), side) for size in (2, 2, 3) for side in ("in", "in", "out")] == [2] * 6 + [
        3
    ] * 3
    assert calls[2:] == ["in", "out"] * 2
    held = len(clusters._VALUES)
    del member
    assert len(clusters._VALUES) == held - 1

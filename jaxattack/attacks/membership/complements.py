"""How a sweep's members were drawn, as far as the member matrix shows it.

A reference knows a target's members by their absence in two ways: its own members are exactly those that the target lacks
(or has), or the number of models that have a record is fixed, so that one more in means one fewer among the others.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from jaxattack.metrics import model_clusters, varying_records
from jaxattack.metrics.clusters import once

KEY = 2022  # of the draw of dropped references: any number, the same for ever
CHUNK = 4096  # records whose models are ordered at a time


@once
def complement_groups(
    member: Bool[np.ndarray, "model record"],
) -> tuple[Int[np.ndarray, "model"], Int[np.ndarray, "model"]]:
    """Models that have the same members, or exactly the members that the others lack.

    Where that is so of all models, as where one pair of halves is trained on again and again, they are grouped in pairs, the
    first of either side, the second, and so on: other references there are none.

    Returns:
        For each model the number of its group, in the order in which groups begin, and on which of its group's two sides
        it is: 1 or -1.
    """
    group, varying = model_clusters(member), varying_records(member)
    side = np.where(member[:, varying[0]], 1, -1) if len(varying) else np.ones(len(member), int)
    if group.max() == 0:
        group = np.array([int((side[:model] == side[model]).sum()) for model in range(len(side))])
    return group, side


@once
def equal_counts(member: Bool[np.ndarray, "model record"]) -> bool:
    """Whether every record is in the same number of models."""
    count = member.sum(axis=0, dtype=np.int32)[varying_records(member)]
    return bool(len(count)) and bool((count == count[0]).all())


def draw_opposite(
    member: Bool[np.ndarray, "model record"],
    targets: Int[np.ndarray, "target"],
    partners: list[Int[np.ndarray, "partner"]],
    number: list[int],
) -> tuple[Int[np.ndarray, "target record"], ...]:
    """Models of the side of membership opposite to the target's, drawn for each target and record.

    The draw is decided by the target's and the record's places alone, and takes each model of that side with equal chance.

    Args:
        member: the truth.
        targets: the models drawn for.
        partners: for each target, models not to be drawn.
        number: how many models to draw for each target.

    Returns:
        Arrays of models, as many as the largest number; -1 where there is none to be drawn.
    """
    models, records = member.shape
    draws = np.full((max(number), len(targets), records), -1, np.min_scalar_type(-models))
    generators = [np.random.default_rng((KEY, int(target))) for target in targets]
    for start in range(0, records, CHUNK):
        block = slice(start, min(start + CHUNK, records))
        order = np.argsort(member[:, block], axis=0, kind="stable")  # those that are out, then those that are in
        out = models - member[:, block].sum(axis=0)
        columns = np.arange(order.shape[1])
        for row, (target, generator) in enumerate(zip(targets, generators, strict=True)):
            begin = np.where(member[target, block], 0, out)
            size = np.where(member[target, block], out, models - out)
            rank = (generator.random(len(columns)) * size).astype(int)
            for draw in range(number[row]):
                for _ in partners[row]:  # step over those that are not to be drawn
                    rank += np.isin(order[begin + rank % np.maximum(size, 1), columns], partners[row])
                model = order[(begin + rank % np.maximum(size, 1)).clip(max=models - 1), columns]
                draws[draw, row, block] = np.where(size > draw, model, -1)
                rank += 1
    return tuple(draws)

"""How the references of each target become a distribution of a record's signal: the part that LiRA and its kin share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

from jaxattack.attacks.membership.leave_one_out import map_threads
from jaxattack.attacks.membership.moments import (
    Moments,
    PoolSums,
    centred_powers,
    fit_prior,
    from_pool,
    from_prior,
    from_record,
    moments,
    normal_from_prior,
    pool_sums,
    pooled_variance,
)
from jaxattack.attacks.membership.predictive import Predictive
from jaxattack.attacks.membership.references import References
from jaxattack.types import Side

Sides = Mapping[Side, Bool[np.ndarray, "model record"]]
"""For each side of membership, which models are on it."""

Fit = Callable[[Moments], Predictive]
"""How the moments of a block of records become distributions."""


def fit(
    phi: Float[np.ndarray, "model record query"],
    side: Bool[np.ndarray, "model record"],
    references: References,
    variance: str,
    blocks: list[slice],
) -> Fit:
    """How moments become a predictive distribution, what the pool decides settled beforehand.

    Args:
        phi: the signal.
        side: the models on one side of membership.
        references: of the targets.
        variance: "record", "global", "bayes" or "bayes-normal", as `jaxattack.attacks.membership.LiRA` has it.
        blocks: of records, which the pool is added up over.
    """
    if variance == "record":
        return from_record
    sums = pool(phi, side, references, blocks)
    if variance == "global":
        return partial(from_pool, variance=pooled_variance(sums))
    return partial(from_prior if variance == "bayes" else normal_from_prior, prior=fit_prior(sums))


def pool(
    phi: Float[np.ndarray, "model record query"],
    side: Bool[np.ndarray, "model record"],
    references: References,
    blocks: list[slice],
) -> PoolSums:
    """What all records together say of one side of membership."""

    def block_sums(block: slice) -> PoolSums:
        part = references.of(block)
        return pool_sums(moments(centred_powers(phi[:, block], part), side[:, block], part))

    parts = map_threads(block_sums, blocks)
    return PoolSums(*(np.sum(part, axis=0) for part in zip(*parts, strict=True)))

"""How the references of each target become a distribution of a record's signal: the part that LiRA and its kin share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from jaxtyping import Bool, Float

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
from jaxattack.threads import map_threads
from jaxattack.types import Side

Sides = Mapping[Side, Bool[np.ndarray, "model record"]]
"""For each side of membership, which models are on it."""

Fit = Callable[[Moments], Predictive]
"""How the moments of a block of records become distributions."""


def fit(
    phi: Float[np.ndarray, "model record query"],
    sides: Sides,
    references: References,
    variance: str,
    blocks: list[slice],
) -> dict[Side, Fit]:
    """How moments on each side become a predictive distribution, what the pool decides settled beforehand.

    Args:
        phi: the signal.
        sides: the models on each side of membership.
        references: of the targets.
        variance: "record", "global", "bayes" or "bayes-normal", as `jaxattack.attacks.membership.LiRA` has it.
        blocks: of records, which the pool is added up over.
    """
    if variance == "record":
        return dict.fromkeys(sides, from_record)
    sums = pool(phi, sides, references, blocks)
    if variance == "global":
        return {side: partial(from_pool, variance=pooled_variance(own)) for side, own in sums.items()}
    form = from_prior if variance == "bayes" else normal_from_prior
    return {side: partial(form, prior=fit_prior(own)) for side, own in sums.items()}


def pool(
    phi: Float[np.ndarray, "model record query"], sides: Sides, references: References, blocks: list[slice]
) -> dict[Side, PoolSums]:
    """What all records together say of each side of membership."""

    def block_sums(block: slice) -> dict[Side, PoolSums]:
        part = references.of(block)
        some = moments(centred_powers(phi[:, block], part), block_of(sides, block), part)
        return {side: pool_sums(one) for side, one in some.items()}

    parts = map_threads(block_sums, blocks)
    return {
        side: PoolSums(*(np.sum(part, axis=0) for part in zip(*(one[side] for one in parts), strict=True)))
        for side in sides
    }


def block_of(sides: Sides, block: slice) -> dict[Side, Bool[np.ndarray, "model part"]]:
    """The same for a block of the records."""
    return {side: models[:, block] for side, models in sides.items()}

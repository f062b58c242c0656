"""The nearest points that fool models which do not know a record, one for each confidence (Peng et al. 2024, OSLO)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from jaxattack.perturb.hop_skip_jump.steps import TINY, by_record, norm
from jaxattack.signals.boundary import region_of
from jaxattack.signals.optimised import ReadQuery, summed_losses, summed_slopes
from jaxattack.signals.scores import Labels
from jaxattack.types import Model, Surrogates, above_zero, at_least, config, number_in_name

STEP = 2.55
"""Its step against the growth of its ball: the paper's .01 against 80 / 255 in 80 parts."""


@config
class OsloQueries(ReadQuery):
    """The nearest points found at which models that do not know the record have lost their confidence in its label.

    Source models' mean loss is raised by steps of equal length within a ball around the record, which grows from step to
    step; a point is taken as soon as the mean log confidence of the validation models is below the logarithm of a threshold,
    and the last point for a threshold that is never met. LeakPro compares the sum of the logarithms, so that thresholds mean
    another thing for each number of models, and scores the last threshold alone, which is one bit. On Location-30, 12 networks,
    five thresholds have an AUC of .890 and a TPR of .207 at 1% FPR; of .900 and .240 with a ball of 1, and nine of them .918
    and .271.

    Attributes:
        growth: parts in which the ball grows, at least 1; the paper's 80, of 5 steps each.
        steps: of each part, at least 1.
        largest: radius of the largest ball, above 0: the root mean square of a change of the features, as a share of the
            range of pictures or of a table's record's own.
        thresholds: of the validation models' confidence, 1 down to .0001 in so many steps, at least 2.

    Raises:
        InputError: a value out of range.
    """

    paper = "Peng et al. 2024"

    growth: int = 40
    steps: int = 5
    largest: float = 0.3
    thresholds: int = 5

    def __post_init__(self) -> None:
        at_least(1, growth=self.growth, steps=self.steps)
        at_least(2, thresholds=self.thresholds)
        above_zero(largest=self.largest)

    @property
    def queries(self) -> int:
        """One for each threshold."""
        return self.thresholds

    @property
    def name(self) -> str:
        """``oslo_40_5_0.3_5``: growth, steps, largest, thresholds."""
        return f"oslo_{self.growth}_{self.steps}_{number_in_name(self.largest)}_{self.thresholds}"

    def lacking(
        self, member: Bool[np.ndarray, "model record"], validation: Bool[np.ndarray, "model"]
    ) -> Bool[np.ndarray, "record"]:
        """Records that all source models, or all validation models, know."""
        judges, sources = (np.asarray(member[role].all(axis=0)) for role in (validation, ~validation))
        return np.asarray(judges | sources)

    def search(
        self, model: Model, surrogates: Surrogates, x: jax.Array, y: Labels
    ) -> Float[jax.Array, "record query *feature"]:
        """As `jaxattack.types.OptimisedSignal`."""
        variables, member, validation = surrogates
        source, judging = (jnp.where(member | ~role[:, None], 0.0, 1.0) for role in (~validation, validation))
        source, judging = (share / jnp.maximum(share.sum(axis=0), 1.0)[None] for share in (source, judging))
        goal = jnp.broadcast_to(y[None], member.shape)
        region = region_of(x)
        part = region.scale * self.largest * np.sqrt(x[0].size) / self.growth  # the radius of the first ball
        bounds = -jnp.linspace(0.0, np.log(1e-4), self.thresholds)

        def step(now, number):
            point, points, below = now
            _, gradient = summed_slopes(model, variables, source, goal, point)
            moved = point - x + STEP * part * gradient / by_record(jnp.maximum(norm(gradient), TINY), x)
            radius = part * (1 + number // self.steps).astype(x.dtype)
            moved = moved * jnp.minimum(1.0, radius / by_record(jnp.maximum(norm(moved), TINY), x))
            point = jnp.clip(x + moved, region.low, region.high)
            loss = summed_losses(model, variables, judging, goal, point)
            points = jnp.where(below.reshape(below.shape + (1,) * (x.ndim - 1)), points, point[:, None])
            return (point, points, below | (loss[:, None] > bounds[None])), None

        points = jnp.repeat(x[:, None], self.thresholds, axis=1)
        below = jnp.zeros((len(x), self.thresholds), bool)
        numbers = jnp.arange(self.growth * self.steps)
        return jax.lax.scan(step, (x, points, below), numbers)[0][1]

"""A point that models which know a record label as the record is, and no others (Wu et al. 2024, YOQO)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float, Int

from jaxattack.perturb.hop_skip_jump.steps import by_record
from jaxattack.signals.boundary import region_of
from jaxattack.signals.optimised import ReadQuery, summed_slopes
from jaxattack.signals.scores import Labels, others
from jaxattack.types import Model, Surrogates, Variables, above_zero, at_least, config, number_in_name

STOP = 8
"""It stops where the sum of the losses of M models is below M / 8."""


@config
class YoqoQuery(ReadQuery):
    """One point that should be answered with the label by models that know the record, and by no others.

    It lowers sum CE(f_m(x), y) over models m that know the record plus alpha times sum CE(f_m(x), y_m) over the others, with
    y_m the likeliest other class at the record, by Adam, until the sum is below M / 8. LeakPro takes 35 steps of gradient
    descent at a rate of .001, which hardly move. On Location-30, 12 networks, the accuracy of the verdict is .876 at a rate of
    .005, .886 at .01, .874 at .02, .831 at .05 and .777 at .1.

    Attributes:
        steps: at most, at least 1.
        rate: of Adam, above 0: a first step of each feature, as a share of the range of pictures, 2, or of the root mean
            square of a table's record.
        alpha: the weight of models that do not know the record, above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Wu et al. 2024"
    queries = 1

    steps: int = 35
    rate: float = 0.01
    alpha: float = 2.0

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)
        above_zero(rate=self.rate, alpha=self.alpha)

    @property
    def name(self) -> str:
        """``yoqo_35_0.01_2``: steps, rate, alpha."""
        return f"yoqo_{self.steps}_{number_in_name(self.rate)}_{number_in_name(self.alpha)}"

    def lacking(
        self,
        member: Bool[np.ndarray, "model record"],
        validation: Bool[np.ndarray, "model"],  # noqa: ARG002 (every search has the same arguments)
    ) -> Bool[np.ndarray, "record"]:
        """Records that all of these models know, or none."""
        return np.equal(member.all(axis=0), member.any(axis=0))

    def search(
        self, model: Model, surrogates: Surrogates, x: jax.Array, y: Labels
    ) -> Float[jax.Array, "record query *feature"]:
        """As `jaxattack.types.OptimisedSignal`."""
        variables, member, _ = surrogates
        goal = jnp.where(member, y[None], _likeliest_others(model, variables, x, y))
        weight = jnp.where(member, 1.0, self.alpha)
        region, change = region_of(x), optax.adam(self.rate)

        def step(now, _):
            point, state = now
            loss, gradient = summed_slopes(model, variables, weight, goal, point)
            update, state = change.update(gradient, state)
            moved = jnp.clip(point + region.scale * update, region.low, region.high)
            return (jnp.where(by_record(loss >= len(member) / STOP, point), moved, point), state), None

        (point, _), _ = jax.lax.scan(step, (x, change.init(x)), length=self.steps)
        return point[:, None]


def _likeliest_others(model: Model, variables: Variables, x: jax.Array, y: Labels) -> Int[jax.Array, "model record"]:
    """Each model's likeliest class but the label."""
    return jax.lax.map(lambda one: jnp.argmax(others(model.apply(one, x), y), axis=1).astype(y.dtype), variables)

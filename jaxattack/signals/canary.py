"""Points at which models that know a record are sure of its label, and others undecided (Wen et al. 2023)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float

from jaxattack.descent import descend
from jaxattack.signals.boundary import region_of
from jaxattack.signals.optimised import ReadQuery
from jaxattack.signals.phi import Phi
from jaxattack.signals.scores import Labels
from jaxattack.types import Model, Surrogates, above_zero, at_least, config, number_in_name

CERTAIN = 10.0
UNDECIDED = 0.0
"""Phi that is aimed at for models in and for models out: the authors' goals for the label's raw output."""


@config
class CanaryQueries(ReadQuery):
    """Points at which phi is 10 for models that know the record, and 0 for others.

    From the record, and from copies with noise that is the same for all records, Adam lowers (phi - 10)^2 for models in
    and phi^2 for models out. A step takes two neighbouring models, drawn at random; where models come in complementary
    halves one of them knows the record and the other does not. The authors start at augmented copies, and let their
    optimiser's weight decay act on the picture; here there is none.

    Attributes:
        count: queries of a record, at least 1.
        steps: at least 1.
        rate: of Adam, above 0: a first step of each feature, as a share of the range of pictures, 2, or of the root mean
            square of a table's record.

    Raises:
        InputError: a value out of range.
    """

    paper = "Wen et al. 2023, arXiv 2210.10750"
    reads = Phi()

    count: int = 10
    steps: int = 30
    rate: float = 0.005

    def __post_init__(self) -> None:
        at_least(1, count=self.count, steps=self.steps)
        above_zero(rate=self.rate)

    @property
    def queries(self) -> int:
        """Of a record."""
        return self.count

    @property
    def name(self) -> str:
        """``canary_10_30_0.005``: count, steps, rate."""
        return f"canary_{self.count}_{self.steps}_{number_in_name(self.rate)}"

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
        region = region_of(x)
        change = optax.chain(optax.adam(self.rate), optax.stateless(lambda update, _: region.scale * update))
        start, draw = jax.random.split(jax.random.key(0))

        def box(point):
            return jnp.clip(point, region.low, region.high)

        def distance(point, number):
            first = 2 * jax.random.randint(jax.random.fold_in(draw, number), (), 0, max(len(member) // 2, 1))
            two = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, 2), (variables, member))

            def of_one(one):
                learnt, inside = one
                goal = jnp.where(inside, CERTAIN, UNDECIDED)
                return jnp.sum((Phi().of_logits(model.apply(learnt, point), y) - goal) ** 2)

            return jnp.sum(jax.lax.map(of_one, two))

        def query(noise):
            return descend(distance, change, box(x + region.scale * noise[None]), self.steps, process=box).point

        noise = self.rate * jax.random.normal(start, (self.count, *x.shape[1:])).at[0].set(0.0)
        return jnp.moveaxis(jax.lax.map(query, noise), 0, 1)

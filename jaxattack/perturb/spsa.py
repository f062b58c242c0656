"""SPSA: Adam within the max-norm ball, whose gradient is asked for by pairs of steps of random signs (Uesato et al. 2018).

With u_1, ..., u_n of random signs and L the margin, g = sum (L(x + d u_i) - L(x - d u_i)) u_i / (2 n d): an estimate as that of
`jaxattack.perturb.nes`, of steps that all have one length. As there, the pairs are what is tried.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool, Float

from jaxattack.perturb.ask import Query, Record, Reply
from jaxattack.perturb.box import share_of_range
from jaxattack.perturb.nes import gradient, pairs, within
from jaxattack.types import at_least, config


class State(NamedTuple):
    """Of one record.

    Attributes:
        point: the step until now.
        adam: the optimiser's.
    """

    point: Float[jax.Array, "*feature"]
    adam: optax.OptState


@config
class SignDifferences:
    """The search for one record, as `jaxattack.perturb.ask.Method`.

    Attributes:
        size: of the max-norm ball, as a share of the range.
        steps: of Adam.
        pairs: n.
        scale: d.
        rate: of Adam.

    Raises:
        InputError: a value out of range.
    """

    size: float = 0.05
    steps: int = 100
    pairs: int = 128
    scale: float = 0.01
    rate: float = 0.01

    minimises = False

    def __post_init__(self) -> None:
        share_of_range(size=self.size, scale=self.scale, rate=self.rate)
        at_least(1, steps=self.steps, pairs=self.pairs)

    @property
    def rounds(self) -> int:
        """A step in each."""
        return self.steps

    @property
    def points(self) -> int:
        """Two of each pair."""
        return 2 * self.pairs

    def begin(self, record: Record) -> State:
        """The record itself."""
        return State(record.x, optax.adam(self.rate).init(record.x))

    def ask(self, state: State, record: Record, number: jax.Array) -> Query:
        """Pairs of points around the step."""
        key = jax.random.fold_in(record.key, number)
        signs = jax.random.rademacher(key, (self.pairs, *record.x.shape), record.x.dtype)
        return pairs(state.point, signs, self.scale, within(record, self.size))

    def tell(self, state: State, record: Record, number: jax.Array, query: Query, reply: Reply) -> State:  # noqa: ARG002 (as all methods)
        """Step against the gradient."""
        slope = gradient(query.draws, reply.margin, self.scale)
        change, adam = optax.adam(self.rate).update(slope, state.adam)
        point = jnp.asarray(optax.apply_updates(state.point, change))
        return State(jnp.clip(point, *within(record, self.size)), adam)

    def through(self, state: State) -> Bool[jax.Array, ""]:  # noqa: ARG002 (as all methods)
        """Never."""
        return jnp.zeros((), bool)

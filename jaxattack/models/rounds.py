"""What a federation shares, moment by moment, as one model that answers as the last: for who has kept the parameters of several rounds.

Every leaf leads with ``moment``: of each round that was kept, what was sent to the participants and what came of it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Int

from jaxattack.types import Model, Variables


class Rounds(NamedTuple):
    """The ``rest`` of a model that was shared, by which it is told from others.

    Attributes:
        rest: of the network at each moment; every leaf leads with ``moment``.
        moment: 0, 1, 2, ...
    """

    rest: Any
    moment: Int[jax.Array, "moment"]


@cache
def of_rounds(model: Model, rounds: int) -> Model:
    """A Model of so many rounds; the same arguments give the same object.

    Args:
        model: the architecture.
        rounds: how many are kept.
    """

    def init(key):
        def repeat(leaf):
            return jnp.broadcast_to(leaf[None], (2 * rounds, *leaf.shape))

        return join(jax.tree.map(repeat, model.init(key)))

    def apply(variables, x):
        last = jax.tree.map(lambda leaf: leaf[-1], (variables.params, variables.rest.rest))
        return model.apply(Variables(*last), x)

    def forward(variables, x, key):  # noqa: ARG001 (it is trained by who takes part)
        return apply(variables, x), variables.rest

    return Model(init, apply, forward)


def join(each: Variables) -> Variables:
    """Variables of a network at each moment, whose leaves lead with ``moment``, as those of `of_rounds`."""
    moments = jax.tree.leaves(each.params)[0].shape[0]
    return Variables(each.params, Rounds(each.rest, jnp.arange(moments, dtype=jnp.int32)))


def at_moment(variables: Variables, moment: Int[jax.Array, ""] | int) -> Variables:
    """Those of one moment alone, as which the model answers then."""
    return jax.tree.map(lambda leaf: leaf[moment][None], variables)

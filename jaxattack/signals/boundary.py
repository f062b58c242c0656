"""How far a record is from the nearest point that the model labels otherwise, from labels alone (Choquette-Choo et al. 2021).

The distance is found by HopSkipJump (`jaxattack.perturb.hop_skip_jump`), an upper bound that more queries lessen, for all
records and models in lockstep. It is a 2-norm on the record as the network takes it: pictures stay within -1 to 1; tables
are not bounded, and noise is measured by the record's own size. Members tend to be farther.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxattack.perturb.hop_skip_jump import Region, distance, plan, traced
from jaxattack.signals.scores import Labels, Values
from jaxattack.types import Sight, View, at_least, config


@config
class BoundaryDistance:
    """The distance to the nearest point of another label; 0 where the record is labelled wrong itself.

    A record for which no start is found has the distance of the farthest that was tried.

    Attributes:
        queries: of each record, exactly: the record, ten starts, and the iterations that fit. The paper's figures take about
            2,500. Ranks need fewer than distances: on linear models of 64 features, the rank correlation with the true
            distance is .9985 at 250, where distances are 21% too large, and 1.000 at 2,500, where they are 1.2%.

    Raises:
        InputError: queries below 1; when it is asked, too few for one iteration.
    """

    paper = "Choquette-Choo et al. 2021"

    queries: int = 250

    def __post_init__(self) -> None:
        at_least(1, queries=self.queries)

    @property
    def sees(self) -> Sight:
        """Labels are enough."""
        return "label"

    @property
    def name(self) -> str:
        """``boundary_distance_250``: queries."""
        return f"boundary_distance_{self.queries}"

    def __call__(self, view: View, x: jax.Array, y: Labels, key: Any) -> Values:
        """As `jaxattack.types.Signal`.

        Raises:
            InputError: too few queries for records of so many features.
        """
        search = traced(
            lambda point, number: view.answer(point, number).label != y,
            key,
            x,
            region_of(x),
            plan(self.queries, x[0].size),
        )
        return jnp.where(view.answer(x).label == y, distance(search), 0.0)


def region_of(x: jax.Array) -> Region:
    """Where points around records may lie, and how large a change makes anything of one, as the module says."""
    if x.ndim > 2:
        return Region(-1.0, 1.0, 2.0)
    size = jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))
    return Region(-jnp.inf, jnp.inf, jnp.where(size > 0, size, 1.0))

"""Training records left out because they are far from their class: sphere and slab (Steinhardt et al. 2017, equation 2).

With mu_y the mean of class y, r_y and s_y quantiles of what the class's own records have,

    sphere    |x - mu_y| <= r_y
    slab      |<x - mu_y, v_y>| <= s_y, v_y the direction from mu_y to the mean of all other records, of length 1

Whoever trains has the poisoned records alone, so means and quantiles are theirs: poison moves both. A quantile
also leaves that share of every clean class out, which costs accuracy without any poison.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.types import InputError, config


def flat_unit(x: Shaped[np.ndarray, "record *feature"]) -> Float[np.ndarray, "record feature"]:
    """Records as vectors in float64: bytes from 0 to 1, tables as they are."""
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    return flat / 255 if x.dtype == np.uint8 else flat


@config
class Sanitise:
    """Leave out what is far from its class.

    Attributes:
        rule: sphere, slab, or both of them.
        inside: the share of each class that each measure lets through, above 0, at most 1.

    Raises:
        InputError: a share out of range.
    """

    rule: Literal["sphere", "slab", "both"] = "both"
    inside: float = 0.7

    paper = "Steinhardt et al. 2017, arXiv 1706.03691"

    def __post_init__(self) -> None:
        if not 0 < self.inside <= 1:
            raise InputError(f"inside is {self.inside}: give a share above 0, at most 1.")

    @property
    def name(self) -> str:
        """``sphere``, ``slab`` or ``sphere-slab``."""
        return "sphere-slab" if self.rule == "both" else self.rule

    def __call__(
        self, x: Shaped[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
    ) -> Bool[np.ndarray, "record"]:
        """Which records stay: of every class that is there at least one.

        Args:
            x: a training set, in its own units.
            y: its labels, of at least two classes.
        """
        flat = flat_unit(x)
        stays = np.ones(len(y), bool)
        total = flat.sum(axis=0)
        for label in np.unique(y):
            own = np.flatnonzero(y == label)
            centre = flat[own].mean(axis=0)
            offset = flat[own] - centre
            direction = (total - flat[own].sum(axis=0)) / max(len(y) - len(own), 1) - centre
            direction /= max(np.linalg.norm(direction), 1e-12)
            measures = {"sphere": np.linalg.norm(offset, axis=1), "slab": np.abs(offset @ direction)}
            for name, far in measures.items():
                if self.rule in (name, "both"):
                    stays[own] &= far <= np.quantile(far, self.inside)
            if not stays[own].any():
                stays[own[measures["sphere"].argmin()]] = True
        return stays


SANITISERS: dict[str, Sanitise] = {
    each.name: each for each in (Sanitise(rule="sphere"), Sanitise(rule="slab"), Sanitise())
}

"""How exactly a victim's answers are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.verification import EPSILON
from jaxattack.types import Access


class Noise(NamedTuple):
    """How far answers may be off: the rounding unit of the arithmetic, and half of the last decimal that is answered."""

    relative: float = 2.0**-52
    absolute: float = 0.0

    @property
    def coarse(self) -> bool:
        """Whether the arithmetic is coarser than float64."""
        return self.relative > 2.0**-40

    @property
    def smallest_bend(self) -> float:
        """The smallest jump of a slope that counts, relative to the function's scale."""
        return self.relative ** (1 / 3)

    def tolerance(
        self, size: Float[np.ndarray, "query"], scale: Float[np.ndarray, "output"], y: Float[np.ndarray, "query output"]
    ) -> Float[np.ndarray, "query output"]:
        """How far answers may be off to queries of that length, by a function of that median |f| / |x|."""
        return 64 * self.relative * (size[:, None] * scale + np.abs(y)) + 2 * self.absolute

    @classmethod
    def of(cls, access: Access) -> Noise:
        """As the service documents it."""
        return cls(EPSILON[access.precision], 0.0 if access.decimals is None else 0.5 * 10.0**-access.decimals)

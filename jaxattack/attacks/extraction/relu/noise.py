"""How exactly a victim's answers are known."""

from __future__ import annotations

from typing import NamedTuple

from jaxattack.attacks.extraction.verification import EPSILON
from jaxattack.types import Access


class Noise(NamedTuple):
    """How far answers may be off.

    Attributes:
        relative: the rounding unit of the arithmetic.
        absolute: half of the last decimal that is answered; 0 where answers are not rounded.
    """

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

    @classmethod
    def of(cls, access: Access) -> Noise:
        """As the service documents it."""
        return cls(EPSILON[access.precision], 0.0 if access.decimals is None else 0.5 * 10.0**-access.decimals)

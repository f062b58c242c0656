"""How exactly a victim's answers are known: by its terms, and where these say little, as its answers show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.search.lockstep import Search
from jaxattack.types import EPSILON, Access, InputError

DIGITS = 64.0
"""How many units an answer may be off: those of rounding, by which a sum of 2^14 terms errs, or of the last decimal.

Half 72, 1.00; double 71, 1.04; of an odds' error alone either 72, 1.00.
"""

GRAIN = 2.0**-14
"""What queries of coarse arithmetic are multiples of. Half and double 31, 1.00; where the rounding unit is measured 72, 1.00."""

RAYS, SCALES = 16, 2.0 ** -np.arange(0, 12, 2)
"""Rays from the middle of the documented range, and how far out each is asked.

Of 119 networks 109 are stolen, with half of the rays 108, .97; of the scales 31 of 33, .99, double 31, 1.01.
"""

CLUSTERS, CLOSE = 8, 8
"""Short lines on which the rounding unit is measured, and their points. Half 32, 1.00 and 1.02; double 31 and 30, 1.00."""


class Saturated(InputError):
    """Hardly any answer holds its digits."""

    @classmethod
    def of(cls, held: int, answers: int) -> Saturated:
        """Where so many of the answers hold theirs."""
        return cls(
            f"{held} of the {answers} answers, or differences of answers, hold all their digits, other confidences being too near to 0: "
            "a network of ReLU cannot be told from them; ask for logits, or choose path-finding."
        )


class Noise(NamedTuple):
    """How far answers may be off: the rounding unit of the arithmetic, and half of the last decimal that is answered."""

    relative: float = EPSILON["float64"]
    absolute: float = 0.0

    @classmethod
    def of(cls, access: Access) -> Noise:
        """As the service documents it."""
        return cls(EPSILON[access.precision], 0.0 if access.decimals is None else 0.5 * 10.0**-access.decimals)

    @property
    def coarse(self) -> bool:
        """Whether the arithmetic is coarser than float64."""
        return self.relative > EPSILON["float64"]

    @property
    def smallest_bend(self) -> float:
        """The smallest jump of a slope that counts, relative to the function's scale.

        The fourth root 71 of 72, 1.00; the power 3/8 72, 1.03; the square root 55, 1.04.
        """
        return self.relative ** (1 / 3)


class Precision(NamedTuple):
    """How well a function is known: the noise of its answers, and its scale, the median of |f| / |x| over a line."""

    scale: Float[np.ndarray, "output"]
    noise: Noise

    def tolerance(self, size: Float[np.ndarray, "query"]) -> Float[np.ndarray, "query output"]:
        """How far answers to queries of that length may be off."""
        return DIGITS * self.noise.relative * size[:, None] * self.scale + 2 * self.noise.absolute


def find_scale(features: int, rng: np.random.Generator) -> Search[float]:
    """How far out confidences hold their digits on all rays: inputs at falling distances, `RAYS` times `SCALES` queries.

    Raises:
        Saturated: they do nowhere.
    """
    ray = rng.standard_normal((RAYS, features))
    y = yield (SCALES[:, None, None] * ray).reshape(-1, features)
    finite = np.isfinite(y).all(axis=1).reshape(len(SCALES), RAYS)
    held = finite.all(axis=1)
    if not held.any():
        raise Saturated.of(finite.sum(), finite.size)
    return float(SCALES[held.argmax()])


def rounding_unit(features: int, noise: Noise, rng: np.random.Generator) -> Search[Noise]:
    """The rounding unit that answers show, where the documented one says little of what is summed up.

    Second differences of close points on short lines, against the median of |f| / |x|: `CLUSTERS` lines of `CLOSE`
    points, `GRAIN` apart in t. The median of all is blind to the odd kink between them.
    """
    origin, direction = rng.standard_normal((2, CLUSTERS, 1, features))
    x = origin + np.arange(CLOSE)[:, None] * GRAIN * direction
    y = yield x.reshape(-1, features)
    y = y.reshape(CLUSTERS, CLOSE, -1)
    finite = np.isfinite(y).all(axis=(1, 2))
    if not finite.any():
        return noise
    origin, x, y = origin[finite], x[finite], y[finite]
    scale = np.median(np.abs(y[:, 0]) / np.linalg.norm(origin[:, 0], axis=1)[:, None], axis=0)
    unit = np.abs(np.diff(y, n=2, axis=1)) / (np.linalg.norm(x, axis=2)[:, 1:-1, None] * scale + np.abs(y[:, 1:-1]))
    # The median of |second difference| is 0.67 sqrt(6) = 1.65 standard deviations. Half of one, of which a tolerance is `DIGITS`, serves:
    # of 72 networks all with a whole or a quarter, 1.04, 1.00, and with a 4th or a 16th of the documented unit at least, 1.01 for either.
    return noise._replace(relative=max(float(np.median(unit)) / 1.65 / 2, noise.relative / 8))

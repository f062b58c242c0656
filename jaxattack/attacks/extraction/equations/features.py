"""Feature maps: what a victim may make of a record before the part of it that is solved for.

    name        columns
    linear      each number; a category as one column of 0 or 1 for each of its values but the first
    quadratic   those, their squares and their products
    logarithm   as linear, with sign(x) ln(1 + |x|) for each number x

Numbers are moved and scaled first so that the documented range is -1..1 (not for the logarithm). Standardising does not
appear: a linear map of the columns changes weights, not what they can express.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.substitute import Encoding, encode, encoding
from jaxattack.types import Access, Inputs

PROBES = 64
"""Records that show which columns of numbers vary: a number of two values shows one of them alone in one case of 2^63."""


def _linear(x: Any, center: Any, scale: Any, categories: tuple[int, ...]) -> jax.Array:
    flat = encode(x, center, scale, categories).reshape(len(x), -1)
    return flat[:, np.flatnonzero(np.concatenate([[n == 0] + [True] * (n - 1) for n in categories]))]


def _quadratic(x: Any, center: Any, scale: Any, categories: tuple[int, ...]) -> jax.Array:
    first = _linear(x, center, scale, categories)
    left, right = _factors(categories)
    return jnp.concatenate([first, first[:, left] * first[:, right]], axis=1)


def _owners(categories: tuple[int, ...]) -> Int[np.ndarray, "column"]:
    """Of which feature each linear column is."""
    return np.repeat(np.arange(len(categories)), [n - 1 if n else 1 for n in categories])


def _factors(categories: tuple[int, ...]) -> tuple[Int[np.ndarray, "product"], Int[np.ndarray, "product"]]:
    """Which two linear columns each product is of."""
    number = (np.array(categories) == 0)[_owners(categories)]
    left, right = np.tril_indices(len(number))
    products = (left != right) | number[left]  # the square of 0 or 1 is itself
    return left[products], right[products]


def _logarithm(x: Any, center: Any, scale: Any, categories: tuple[int, ...]) -> jax.Array:
    category = jnp.broadcast_to((np.array(categories) > 0).reshape(1, *center.shape), x.shape)
    bent = jnp.where(category, x, jnp.sign(x) * jnp.log1p(jnp.abs(x)))
    return _linear(bent, jnp.zeros_like(center), jnp.ones_like(scale), categories)


FEATURE_MAPS: dict[str, Callable[..., jax.Array]] = {
    "linear": _linear,
    "quadratic": _quadratic,
    "logarithm": _logarithm,
}


@dataclass(frozen=True)
class Columns:
    """A feature map on the records of one service, and which of its columns are not constant over what the service takes."""

    features: str
    coding: Encoding
    varies: Bool[np.ndarray, "column"]

    @classmethod
    def of(cls, features: str, access: Access) -> Columns:
        """The feature map of that name."""
        coding = encoding(access.inputs)
        pairs = features == "quadratic"
        columns = _expand("linear" if pairs else features, coding, _probes(access.inputs))
        varies = np.ptp(columns, axis=0) > 0
        if pairs:
            (left, right), owner = _factors(coding.categories), _owners(coding.categories)
            square = np.ptp(columns**2, axis=0) > 0  # not of a number that is one end of its range or the other
            apart = np.where(left == right, square[left], owner[left] != owner[right])
            varies = np.concatenate([varies, varies[left] & varies[right] & apart])
        return cls(features, coding, varies)

    @property
    def folds(self) -> bool:
        """Whether its weights can be those of the records' numbers as they are."""
        return self.features == "linear" and not any(self.coding.categories)

    def __call__(self, x: Shaped[np.ndarray, "query *feature"]) -> Float[np.ndarray, "query column"]:
        """The columns that vary, in float64, and a constant 1."""
        columns = _expand(self.features, self.coding, x)
        return np.concatenate([columns[:, self.varies], np.ones((len(x), 1))], axis=1)

    def parameters(self, weight: Float[np.ndarray, "column output"]) -> dict[str, Float[np.ndarray, "..."]]:
        """Weights of the varying columns, the constant last, as the parameters of `families`."""
        full, bias = np.zeros((len(self.varies), weight.shape[1])), weight[-1]
        full[self.varies] = weight[:-1]
        if not self.folds:
            return {"center": self.coding.center, "scale": self.coding.scale, "weight": full, "bias": bias}
        full = full / self.coding.scale.reshape(-1, 1)
        return {"weight": full, "bias": bias - self.coding.center.ravel() @ full}


def _probes(inputs: Inputs) -> Shaped[np.ndarray, "query *feature"]:
    """Random records, and such in which categories take every value."""
    count = inputs.categories.ravel()
    values = np.arange(count.max(initial=0))[:, None]
    x = uniform(inputs, PROBES + len(values), np.random.default_rng(0)).reshape(PROBES + len(values), -1)
    x[PROBES:, count > 0] = values % count[count > 0]
    return x.reshape(len(x), *inputs.shape)


def _expand(features: str, coding: Encoding, x: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        columns = FEATURE_MAPS[features](np.asarray(x, np.float64), coding.center, coding.scale, coding.categories)
        return np.asarray(columns)

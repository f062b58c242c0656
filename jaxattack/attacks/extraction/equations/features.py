"""Feature maps: what a victim may make of a record before the part of it that is solved for.

    name        columns
    linear      each number; a category as one column of 0 or 1 for each of its values but the first
    quadratic   those, their squares and their products
    logarithm   as linear, with sign(x) ln(1 + |x|) for each number x

Numbers are moved and scaled first so that the documented range is -1..1 (not for the logarithm). Standardising does not
appear: a linear map of the columns changes weights, not what they can express.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Shaped

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
    number = np.repeat([n == 0 for n in categories], [n - 1 if n else 1 for n in categories])
    left, right = np.tril_indices(len(number))
    products = (left != right) | number[left]  # the square of 0 or 1 is itself
    return jnp.concatenate([first, first[:, left[products]] * first[:, right[products]]], axis=1)


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
        probes = _probes(access.inputs, pairs=features == "quadratic")
        ends = [(part.min(axis=0), part.max(axis=0)) for part in (_expand(features, coding, x) for x in probes)]
        low, high = (np.array(end) for end in zip(*ends, strict=True))
        return cls(features, coding, high.max(axis=0) > low.min(axis=0))

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


def _probes(inputs: Inputs, *, pairs: bool) -> Iterator[Shaped[np.ndarray, "query *feature"]]:
    """Random records, and such in which categories take every value; of pairs, every two of them every two values.

    For a prime p, as many as categories and as values or more, x_i = a + b i mod p takes each pair of values at one of the
    p^2 pairs a, b (an orthogonal array of strength 2: Bush 1952).
    """
    rng, count = np.random.default_rng(0), inputs.categories.ravel()
    yield uniform(inputs, PROBES, rng)
    which = np.flatnonzero(count)
    least = max(len(which), count.max(initial=0), 2)
    prime = next(p for p in range(least, 2 * least) if all(p % q for q in range(2, p)))
    for step in range(min(len(which), 1) * (prime if pairs else 1)):
        x = uniform(inputs, prime, rng).reshape(prime, -1)
        x[:, which] = (np.arange(prime)[:, None] + step * np.arange(len(which))) % prime % count[which]
        yield x.reshape(prime, *inputs.shape)


def _expand(features: str, coding: Encoding, x: np.ndarray) -> np.ndarray:
    with jax.enable_x64(True):
        columns = FEATURE_MAPS[features](np.asarray(x, np.float64), coding.center, coding.scale, coding.categories)
        return np.asarray(columns)

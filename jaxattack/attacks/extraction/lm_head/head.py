"""A stolen last layer: logits["query cls"] = states["query hidden"] projection^T + offset, and its comparison with a victim.

A last layer answers no prompt, but of all logits z["token"] of a prompt, z - offset is a combination of the d columns of
the projection: any d of them, and one where a number a prompt is hidden, give all others. Each other one is a trial. It
disagrees if least squares on the columns leaves more of it than half the digits of the victim's arithmetic, one and a
half steps where answers are rounded, or a few times the resolution that labels were bisected to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Shaped

from jaxattack.attacks.extraction.lm_head.reading import Reader, kind
from jaxattack.types import EPSILON, InputError, Model, Variables

PROMPTS = 2
"""Fewest fresh prompts: one alone would be of one kind."""

COARSE = 4.0
"""Resolutions that bisected labels may be off: ten standard deviations of two roundings, that of the fresh logits and that of those behind the
projection, each evenly distributed over one. Of 12 heads all are verified with a quarter and twice."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """The last layer of a language model.

    Attributes:
        projection: the victim's W, up to a change of basis of the hidden states, and without its mean row where only
            probabilities or labels were answered. The rows of tokens that were not read are NaN.
        offset: of the logits where the hidden states are zero; zero where the victim has none. NaN as the projection.
    """

    projection: Float[np.ndarray, "cls hidden"]
    offset: Float[np.ndarray, "cls"]

    @property
    def hidden(self) -> int:
        """The hidden size."""
        return self.projection.shape[1]

    @property
    def coverage(self) -> Bool[np.ndarray, "cls"]:
        """The tokens that were read."""
        return np.isfinite(self.offset)

    def answer(self, x: np.ndarray) -> NoReturn:
        """Refuse with an `InputError`: a head does not know what comes before it."""
        raise InputError(
            f"{len(x)} prompts cannot be answered by a last layer alone: it maps hidden states to logits, "
            "as the extraction's model does, and the layers before it were not stolen."
        )


@cache
def head_model(hidden: int, classes: int) -> Model:
    """The Model of a `Head`'s arrays; its inputs are hidden states. The same sizes give the same object."""

    def init(key: jax.Array) -> Variables:
        projection = jax.random.normal(key, (classes, hidden)) / jnp.sqrt(hidden)
        return Variables({"projection": projection, "offset": jnp.zeros(classes)}, {})

    def apply(variables: Variables, x: jax.Array) -> jax.Array:
        projection, offset = (jnp.asarray(variables.params[name], x.dtype) for name in ("projection", "offset"))
        return x @ projection.T + offset[None]

    return Model(init, apply, lambda variables, x, _key: (apply(variables, x), {}))


def compare(
    head: Head, read: Reader, draw: Callable[[int], Shaped[np.ndarray, "prompt *feature"]], count: int
) -> Bool[np.ndarray, "trial"]:
    """On which of about so many trials a reader's victim disagrees with a stolen last layer; ``draw`` draws fresh prompts."""
    access, tokens = read.oracle.access, np.flatnonzero(head.coverage)
    spare = len(tokens) - head.hidden - read.shifted
    prompts = draw(max(PROMPTS, ceil(count / spare))) if spare > 0 else np.zeros(0)
    if not len(prompts):
        return np.zeros(0, bool)
    logit = read(prompts, tokens)
    logit = logit[np.isfinite(logit).all(axis=1)]
    logit = read.centre(logit) - head.offset[tokens]
    columns = head.projection[tokens]
    left = logit - (columns @ np.linalg.lstsq(columns, logit.T, rcond=None)[0]).T
    allowed = EPSILON[access.precision] ** 0.5 * np.ptp(logit, axis=1, keepdims=True)
    allowed += 0.0 if access.decimals is None else 1.5 * 10.0**-access.decimals
    allowed += COARSE * read.resolution if kind(access) == "first" else 0.0
    return np.sort(np.abs(left) > allowed, axis=1)[:, len(tokens) - spare :].ravel()

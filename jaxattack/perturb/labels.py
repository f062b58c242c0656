"""What a model at hand labels records, in float32."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxattack.perturb.box import in_blocks
from jaxattack.types import Model, Variables, WhiteBox


def labels_of(box: WhiteBox, x: Float[np.ndarray, "record *feature"]) -> Int[np.ndarray, "record"]:
    """The class of each record's largest logit."""
    return _ends(box, x)[0].astype(int)


def least_likely(box: WhiteBox, x: Float[np.ndarray, "record *feature"]) -> Int[np.ndarray, "record"]:
    """The class of each record's smallest logit."""
    return _ends(box, x)[1].astype(int)


def _ends(box: WhiteBox, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return in_blocks(lambda x: _largest_and_smallest(box.model, box.variables, x), x)


@partial(jax.jit, static_argnames="model")
def _largest_and_smallest(model: Model, variables: Variables, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    z = model.apply(variables, x)
    return z.argmax(axis=1), z.argmin(axis=1)

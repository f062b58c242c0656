"""Victims for tests of inversions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.inversion import Prior
from jaxattack.audit import Victim, open_victim
from jaxattack.types import Inputs, Model, Variables, WhiteBox


def linear(weight: np.ndarray, low: float = 0.0, high: float = 1.0) -> WhiteBox:
    """Softmax regression on records of one axis, with the weights given ["feature cls"]."""
    return WhiteBox(
        model=LINEAR,
        variables=Variables({"weight": jnp.asarray(weight, jnp.float32)}, {}),
        inputs=Inputs.box(low, high, (len(weight),)),
        classes=weight.shape[1],
    )


def _apply(variables, x):
    return x.reshape(len(x), -1) @ variables.params["weight"]


LINEAR = Model(lambda key: Variables({}, {}), _apply, lambda variables, x, key: (_apply(variables, x), {}))


@cache
def digits() -> Victim:
    """A softmax regression on scikit-learn's digits."""
    return open_victim("softmax", data="digits")


def logits(box: WhiteBox, x: np.ndarray) -> np.ndarray:
    return np.asarray(box.model.apply(box.variables, jnp.asarray(x, jnp.float32)))


def confidence(box: WhiteBox, x: np.ndarray, target: int) -> float:
    return float(jax.nn.softmax(logits(box, x[None])[0])[target])


LEARN = Prior.learn


@contextmanager
def generators_shared() -> Iterator[None]:
    """One generator for each prior, pool and seed: training it is most of what an attack with one takes."""
    trained = {}

    def learn(prior, inputs, pool, seed, progress):
        key = prior, seed, pool.dtype.str, pool.shape, pool.tobytes()
        if key not in trained:
            trained[key] = LEARN(prior, inputs, pool, seed, progress)
        return trained[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prior, "learn", learn)
        yield

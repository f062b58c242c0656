"""Linear victims of four classes, from outside and from within, whose nearest boundaries are known; and one that never wavers."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxattack.oracle import CountingOracle, from_function
from jaxattack.types import Access, Inputs, Model, Variables, WhiteBox

FEATURES, CLASSES = 6, 4
INPUTS = Inputs(low=np.full(FEATURES, -2.0), high=np.full(FEATURES, 6.0), categories=np.zeros(FEATURES, int))
SPAN = 8.0


def _apply(variables, x):
    return x @ variables.params["weight"] + variables.params["bias"][None]


LINEAR = Model(lambda _: Variables({}, {}), _apply, lambda variables, x, _: (_apply(variables, x), {}))


class Both(NamedTuple):
    """One victim, by both doors.

    Attributes:
        box: with its weights.
        oracle: counted, in float64.
        weight: of each class.
        bias: of each class.
    """

    box: WhiteBox
    oracle: CountingOracle
    weight: np.ndarray
    bias: np.ndarray

    def label(self, x):
        """What it labels records."""
        return (x @ self.weight + self.bias).argmax(axis=1)


def victim(weight, bias, inputs=INPUTS, level="label"):
    """A linear victim."""
    weight, bias = np.asarray(weight, float), np.asarray(bias, float)
    classes = len(bias)
    variables = Variables({"weight": jnp.asarray(weight, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}, {})
    access = Access(level=level, classes=classes, inputs=inputs)

    def answer(x):
        z = x @ weight + bias
        return z.argmax(axis=1) if level == "label" else z

    oracle = from_function(answer, access)
    return Both(WhiteBox(model=LINEAR, variables=variables, inputs=inputs, classes=classes), oracle, weight, bias)


def leaky(seed=0, **options):
    """A victim that can be fooled: its boundaries meet in the middle of the box, where `records` are."""
    weight = np.random.default_rng(seed).standard_normal((FEATURES, CLASSES))
    return victim(weight, -2 * weight.sum(axis=0), **options)


def constant(**options):
    """A victim that labels everything 0."""
    return victim(np.zeros((FEATURES, CLASSES)), np.eye(CLASSES)[0], **options)


def records(both, count=40, seed=1, wrong=0):
    """Records in the middle of the box with the victim's labels, the first few of them another's."""
    x = np.random.default_rng(seed).uniform(1.4, 2.6, (count, FEATURES))
    y = both.label(x)
    y[:wrong] = (y[:wrong] + 1) % CLASSES
    return x, y

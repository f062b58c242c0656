"""A linear model of two classes, whose nearest boundary is known."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from jaxattack.types import Inputs, Model, Variables

WEIGHT = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32)
INPUTS = Inputs.box(-1, 1, (2,))


def _apply(variables, x):
    return x @ variables.params["weight"]


LINEAR = Model(lambda _: Variables({}, {}), _apply, lambda variables, x, _: (_apply(variables, x), {}))
VARIABLES = Variables({"weight": jnp.asarray(WEIGHT)}, {})

"""The nearest boundary of a model, linearised."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from perturb.linear import INPUTS, LINEAR, VARIABLES
from scipy.optimize import brentq

from jaxattack.perturb.deepfool import deepfool
from jaxattack.types import Inputs, Variables


def test_deepfool_finds_the_nearest_point_of_a_linear_boundary():
    x = np.array([[0.6, 0.2]])
    found, far, _ = deepfool(LINEAR, VARIABLES, x, INPUTS)
    direction = np.array([3.0, -4.0])
    nearest = x - (x @ direction)[:, None] * direction / (direction @ direction)
    np.testing.assert_allclose(found, nearest, atol=0.03)
    np.testing.assert_allclose(far, np.linalg.norm(found - x, axis=1) / 2)


def test_within_a_box_it_goes_to_the_nearest_point_of_a_linear_boundary_that_is_inside():
    rng = np.random.default_rng(0)
    inputs = Inputs.box(0, 1, (12,))
    weight = rng.standard_normal((12, 2)).astype(np.float32)
    x = rng.integers(0, 2, (30, 12)) * rng.uniform(0.7, 1.0, (30, 12))  # many features at or near an edge
    example, far, steps = deepfool(
        LINEAR, Variables({"weight": jnp.asarray(weight)}, {}), x, inputs, steps=50, overshoot=1e-4
    )
    label = (x @ weight).argmax(axis=1)
    assert ((example @ weight.astype(float)).argmax(axis=1) != label).all()
    across = np.where(label == 0, 1, -1)[:, None] * (weight[:, 1] - weight[:, 0]).astype(float)
    for record in range(len(x)):
        # The nearest point moves every feature by a multiple of its weight, as far as the box lets it.
        def moved(size, record=record):
            return np.clip(x[record] + size * across[record], 0, 1)

        size = brentq(lambda size: moved(size) @ across[record], 0, 100)  # noqa: B023
        np.testing.assert_allclose(far[record], np.linalg.norm(moved(size) - x[record]), rtol=1e-3)
    assert steps.max() > 1

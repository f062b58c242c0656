"""The nearest boundary of a model, linearised."""

from __future__ import annotations

import numpy as np
from perturb.linear import INPUTS, LINEAR, VARIABLES

from jaxattack.perturb.deepfool import deepfool


def test_deepfool_finds_the_nearest_point_of_a_linear_boundary():
    x = np.array([[0.6, 0.2]])
    found, far, _ = deepfool(LINEAR, VARIABLES, x, INPUTS)
    direction = np.array([3.0, -4.0])
    nearest = x - (x @ direction)[:, None] * direction / (direction @ direction)
    np.testing.assert_allclose(found, nearest, atol=0.03)
    np.testing.assert_allclose(far, np.linalg.norm(found - x, axis=1) / 2)

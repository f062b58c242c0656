"""Steps along the sign of the gradient."""

from __future__ import annotations

import numpy as np
import pytest
from perturb.linear import INPUTS, LINEAR, VARIABLES

from jaxattack.perturb.signs import sign_steps


@pytest.mark.parametrize("steps", [1, 10])
def test_signs_of_the_gradient_move_every_feature_by_the_size_against_its_class(steps):
    x = np.array([[0.5, 0.1]])
    example = sign_steps(LINEAR, VARIABLES, x, np.array([0]), INPUTS, size=0.1, steps=steps)
    np.testing.assert_allclose(example, [[0.3, 0.3]], atol=1e-6)


def test_examples_stay_within_what_the_service_takes():
    x = np.array([[-0.95, 0.95]])
    example = sign_steps(LINEAR, VARIABLES, x, np.array([0]), INPUTS, size=0.5)
    assert (np.abs(example) <= 1).all()

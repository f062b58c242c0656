"""Records moved until a model sees them as it sees others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from perturb.linear import INPUTS, LINEAR, VARIABLES

from jaxattack.perturb.featurefool import featurefool


def test_a_category_stays_as_it_is_to_the_last_bit():
    x, guide = np.array([[0.7, 1.0], [0.3, 0.0]]), np.array([[-0.5, 0.0], [-0.9, 1.0]])
    free = featurefool(LINEAR, VARIABLES, x, guide, INPUTS)
    held = featurefool(LINEAR, VARIABLES, x, guide, replace(INPUTS, categories=np.array([0, 2])))
    assert (free[:, 1] != x[:, 1]).all()
    np.testing.assert_array_equal(held[:, 1], x[:, 1])
    assert (held[:, 0] != x[:, 0]).all()

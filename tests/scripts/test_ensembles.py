from __future__ import annotations

import ensembles
import numpy as np
import pytest


def test_the_closed_form_is_what_normal_confidences_have():
    rng = np.random.default_rng(0)
    member = rng.permuted(np.tile(np.arange(4000) < 2000, (6, 1)), axis=1)
    record = rng.normal(0, 1.0, (6, 4000))
    phi = 1.0 * member + record + rng.normal(0, 2.0, (8, 6, 4000))
    for networks in (1, 4, 8):
        form, area = ensembles.predicted(phi[:2], member, networks), ensembles.measured(phi[:networks], member)
        # Four standard errors of an area of 12,000 members and as many others, and those of the moments.
        assert form == pytest.approx(area, abs=0.03)
    assert ensembles.predicted(phi[:2], member, 8) > ensembles.predicted(phi[:2], member, 1) + 0.05

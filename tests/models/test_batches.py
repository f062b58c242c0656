from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxattack.models.batches import pad_batch


@given(st.integers(1, 5000))
def test_padding_repeats_the_last_row_up_to_a_power_of_two(rows):
    x = np.arange(rows)[:, None]
    full = pad_batch(x)
    assert (full[:rows] == x).all()
    assert (full[rows:] == rows - 1).all()
    assert len(full) < 2 * rows or len(full) == rows == 1
    assert len({len(pad_batch(np.zeros(n))) for n in range(1, 1025)}) == 11

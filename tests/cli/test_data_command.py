"""The command `data`: what a person reads of it fits a terminal of 80 columns, and nothing is missing there."""

from __future__ import annotations

import numpy as np
import pytest
from command import run

from jaxattack.data import names


@pytest.fixture
def table(tmp_path):
    """Of more columns than a line holds."""
    columns = [f"measurement_{number:02}" for number in range(40)]
    rows = np.random.default_rng(0).random((12, 40)).round(3).astype(str)
    lines = [",".join([*columns, "label"]), *(f"{','.join(row)},{number % 2}" for number, row in enumerate(rows))]
    (tmp_path / "wide.csv").write_text("\n".join(lines))
    return columns


@pytest.mark.parametrize("words", [(), ("wide.csv",)])
def test_every_line_fits_and_every_name_is_whole(words, table, tmp_path):
    said = run("data", *words, folder=tmp_path).stdout
    assert max(map(len, said.splitlines())) <= 80
    for name in table if words else (*names(), "tfds:NAME", "FOLDER?size=32"):
        assert name in said
    if words:
        assert "[" not in said

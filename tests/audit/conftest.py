"""Tests that must do without training, and files of observations."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit import read_observations, sweep


@pytest.fixture
def no_training(monkeypatch):
    def explode(*arguments, **options):
        raise AssertionError("something is trained")

    monkeypatch.setattr(sweep, "Engine", explode)


@pytest.fixture
def read(tmp_path):
    def write_and_read(**arrays):
        path = tmp_path / "observations.npz"
        np.savez(path, **arrays)
        return read_observations(path)

    return write_and_read

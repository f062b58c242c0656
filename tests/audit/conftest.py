"""Tests that must do without training."""

from __future__ import annotations

import pytest

from jaxattack.audit import sweep


@pytest.fixture
def no_training(monkeypatch):
    def explode(*arguments, **options):
        raise AssertionError("something is trained")

    monkeypatch.setattr(sweep, "Engine", explode)

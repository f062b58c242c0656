"""A service to ask, and pauses that nobody waits for."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from serve.victims import victim

from jaxattack.oracle.remote import exchange
from jaxattack.serve import serving


@pytest.fixture
def pauses(monkeypatch):
    """Pauses are noted and not waited for."""
    noted: list[float] = []
    monkeypatch.setattr(exchange, "time", SimpleNamespace(sleep=noted.append, monotonic=time.monotonic))
    return noted


@pytest.fixture(scope="module")
def url():
    with serving(victim()) as place:
        yield place

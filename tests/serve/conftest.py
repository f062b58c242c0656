"""A service to ask."""

from __future__ import annotations

import pytest
from serve.victims import victim

from jaxattack.serve import serving


@pytest.fixture(scope="module")
def url():
    with serving(victim()) as place:
        yield place

"""What people of several kinds do with the installed command, from first to last; those in Python are run in `journeys`."""

from __future__ import annotations

import shutil

import pytest
from journeys.walk import journeys, walk

JOURNEYS = [script for script in journeys() if script.suffix == ".sh"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("script", JOURNEYS, ids=[script.stem for script in JOURNEYS])
def test_a_journey_comes_to_its_end(script, tmp_path, record_property):
    done = walk(script, tmp_path, brief=True)
    record_property("seconds", round(done.seconds, 1))
    assert done.status == 0, done.output

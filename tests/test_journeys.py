"""What people of several kinds do with the installed package, from its first command to its last."""

from __future__ import annotations

import shutil

import pytest
from journeys.walk import LACKING, journeys, walk

JOURNEYS = journeys()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("script", JOURNEYS, ids=[script.stem for script in JOURNEYS])
def test_a_journey_comes_to_its_end(script, tmp_path, record_property):
    done = walk(script, tmp_path, brief=True)
    record_property("seconds", round(done.seconds, 1))
    if done.status == LACKING:
        pytest.skip(done.output.strip().splitlines()[-1])
    assert done.status == 0, done.output

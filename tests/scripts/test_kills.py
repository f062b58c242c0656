"""The script that kills commands tells what one loses: on stand-ins that write pieces without JAX, one of which forgets."""

from __future__ import annotations

import random
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

_SPEC = spec_from_file_location("kills", Path(__file__).parents[2] / "scripts" / "kills.py")
assert _SPEC is not None
assert _SPEC.loader is not None
kills = module_from_spec(_SPEC)
_SPEC.loader.exec_module(kills)

WRITER = """
import json, pathlib, sys, time
careful, out = sys.argv[1] == "careful", pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir(exist_ok=True)
for number in range(6):
    piece = out / f"chunk-{number}"
    if careful and piece.exists():
        continue
    time.sleep(0.05)
    partial = out / f"chunk-{number}.partial"
    partial.write_text(str(number if careful else time.time()))
    partial.rename(piece)
found = sum(float(piece.read_text()) for piece in out.glob("chunk-?"))
(out / "report.json").write_text(json.dumps({"found": found, "train_seconds": time.time()}))
"""


@pytest.mark.parametrize("kind", ["careful", "careless"])
def test_what_goes_on_where_it_stopped_loses_nothing_and_what_begins_again_is_told(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(kills, "JAXATTACK", (sys.executable, "-S", "-c", WRITER))
    result = kills.kill_often((kind,), tmp_path, 6, random.Random(0), kills.reports_equal(tmp_path), ("chunk-*",))
    assert result.kills == 6
    assert result.runs >= 1
    if kind == "careful":
        assert result.losses == []
    else:
        assert any("changed or went" in loss for loss in result.losses)
        assert any("report.found is" in loss for loss in result.losses)


def test_a_command_that_never_gets_to_its_end_between_kills_is_let_end(tmp_path, monkeypatch):
    """As one that begins again each time, on a machine that became slower than when it ran alone."""
    limits = []

    def run(words, out, seconds=None):
        limits.append(seconds)
        out.mkdir(exist_ok=True)
        return seconds is None

    monkeypatch.setattr(kills, "run", run)
    assert kills.kill_often((), tmp_path, 5, random.Random(0), lambda folder, killed: []) == kills.Kills(5, 1, [])
    assert [limit is None for limit in limits] == [True, *[False] * 5, True]

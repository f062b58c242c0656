from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from jaxattack.cli import programs
from jaxattack.cli.programs import close_folder, folder, open_folder

PROGRAM = """
import jax
from jax._src import monitoring
from jaxattack.cli import programs

hits = []
monitoring.register_event_listener(lambda event, **_: hits.append(event) if event.endswith("cache_hits") else None)
programs.SHORTEST = 0
programs.keep_programs()
value = jax.jit(lambda x: (x @ x.T).sum())(jax.numpy.ones((4, 3)))
print(float(value), bool(hits))
"""


@pytest.fixture(autouse=True)
def no_exit(monkeypatch):
    """Folders are closed by the tests."""
    monkeypatch.setattr(programs.atexit, "register", lambda *_: None)


def test_what_one_process_compiled_another_has_whole(tmp_path):
    kept = tmp_path / "kept"
    first, beside = open_folder(kept), open_folder(kept)
    (first / "a-cache").write_bytes(b"program")
    (beside / "a-cache").write_bytes(b"the same")
    (beside / "b-cache").write_bytes(b"other")
    assert not (kept / "a-cache").exists()  # it may be half of one still
    for own in (first, beside):
        close_folder(own, kept, os.getpid())
    later = open_folder(kept)
    assert {path.name: path.read_bytes() for path in later.iterdir()} == {"a-cache": b"program", "b-cache": b"other"}
    assert not first.exists()


def test_a_process_that_is_killed_keeps_nothing_and_its_folder_goes(tmp_path):
    kept = tmp_path / "kept"
    own = open_folder(kept)
    (own / "half-cache").write_bytes(b"ha")
    close_folder(own, kept, os.getpid() + 1)  # a fork of it
    assert open_folder(kept).exists()
    assert own.exists()
    long_ago = time.time() - programs.ABANDONED - 1
    os.utime(own, (long_ago, long_ago))
    open_folder(kept)
    assert not own.exists()
    assert not (kept / "half-cache").exists()


def test_the_oldest_programs_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "LARGEST", 25)
    kept = tmp_path / "kept"
    for age, name in ((30, "old-cache"), (20, "new-cache"), (10, "newest-cache")):
        own = open_folder(kept)
        (own / name).write_bytes(b"0123456789")
        os.utime(own / name, (time.time() - age, time.time() - age))
        close_folder(own, kept, os.getpid())
    assert {path.name for path in kept.iterdir()} == {"new-cache", "newest-cache"}


def test_a_folder_that_others_may_write_to_is_not_run_from(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    kept.chmod(0o777)
    with pytest.raises(PermissionError):
        open_folder(kept)


def test_it_is_off_by_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("JAXATTACK_CACHE", "off")
    assert folder() is None
    monkeypatch.setenv("JAXATTACK_CACHE", str(tmp_path))
    place = folder()
    assert place is not None
    assert place.parent == tmp_path


def test_a_second_process_compiles_nothing_and_answers_the_same(tmp_path):
    environment = os.environ | {"JAXATTACK_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    outputs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    assert [output.stdout.split() for output in outputs] == [["48.0", "False"], ["48.0", "True"]]
    assert not any(output.stderr for output in outputs)

"""Programs that processes of one run of the tests hand to one another are whole."""

from __future__ import annotations

import os
import threading

import pytest
from compiled import FOLDER, Contexts, programs, put_whole
from jax._src.lru_cache import LRUCache


@pytest.fixture
def cache(tmp_path):
    return LRUCache(str(tmp_path), max_size=-1)


def test_a_program_is_read_as_it_was_put_and_stays(cache, tmp_path):
    put_whole(cache, "a", b"program")
    put_whole(cache, "a", b"of another process")
    assert cache.get("a") == b"program"
    assert [file.name for file in tmp_path.iterdir()] == ["a-cache"]


def test_half_of_a_program_is_none(cache, monkeypatch):
    def die(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        put_whole(cache, "a", b"program")
    assert cache.get("a") is None


def test_processes_take_the_folder_of_the_one_that_started_them(monkeypatch):
    monkeypatch.setenv(FOLDER, "of the first process")
    assert programs() == "of the first process"


def test_a_context_serves_some_programs_of_one_thread():
    contexts = Contexts(object)
    own = [contexts() for _ in range(Contexts.PROGRAMS + 1)]
    assert len({id(context) for context in own[:-1]}) == 1
    assert own[-1] is not own[0]
    other = []
    thread = threading.Thread(target=lambda: other.append(contexts()))
    thread.start()
    thread.join()
    assert other[0] not in own

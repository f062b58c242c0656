"""Programs that processes of one run of the tests hand to one another are whole."""

from __future__ import annotations

import os

import pytest
from compiled import FOLDER, programs, put_whole
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

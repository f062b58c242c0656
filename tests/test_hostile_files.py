"""Every door through which a file comes, and files that promise more than they hold: one sentence, little memory, at once."""

from __future__ import annotations

import json
import os
import resource

import numpy as np
import pytest
from hostile import TEXTS, archives, npy, packed, refused

from jaxattack.audit import (
    read_canary_scores,
    read_observations,
    read_scores,
)
from jaxattack.cli.extraction import _keys
from jaxattack.data import design, load
from jaxattack.disk import read_array, read_arrays, read_json
from jaxattack.npz import UnreadableError, free_memory, open_arrays
from jaxattack.types import InputError

LABEL = np.array([0, 1, 0, 1, 0, 1])


def test_scores_of_canaries(tmp_path):
    path = tmp_path / "canaries.npz"
    for hostile in ("score", "member", "canary", "model"):
        for name, data in archives(hostile).items():
            path.write_bytes(data)
            refused(f"{hostile}: {name}", lambda: read_canary_scores(path))


@pytest.mark.parametrize("hostile", ["member", "record", "scores/loss"])
def test_scores_of_records(tmp_path, hostile):
    path = tmp_path / "scores.npz"
    for name, data in archives(hostile).items():
        path.write_bytes(data)
        refused(name, lambda: read_scores(path))


def test_scores(tmp_path):
    path = tmp_path / "scores.npz"
    for name, data in archives("logits").items():
        path.write_bytes(data)
        refused(name, lambda: read_observations(path))


def test_data_sets(tmp_path):
    path = tmp_path / "data.npz"
    for name, data in archives("x").items():
        path.write_bytes(data)
        refused(name, lambda: load(str(path)))


@pytest.mark.parametrize(
    "data",
    [npy("(1000000000000,)"), npy("(4, 6)", "'|O'"), packed([("a", b"")]), b"", b"\x93NUMPY"],
    ids=["large", "objects", "archive", "empty", "cut short"],  # an archive's own bytes hold the time
)
def test_masks_and_single_arrays(tmp_path, data):
    path = tmp_path / "mask.npy"
    path.write_bytes(data)
    refused(data[:80], lambda: design(f"mask:{path}"))
    refused(data[:80], lambda: read_array(path))


def test_what_is_there_is_read_in_the_order_of_the_machine(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    for order in "<>":
        for layout in (np.ascontiguousarray, np.asfortranarray):
            np.savez(tmp_path / "x.npz", x=layout(x.astype(f"{order}f8")))
            read = read_arrays(tmp_path / "x.npz")["x"]
            assert read.dtype.isnative
            np.testing.assert_array_equal(read, x)
            np.save(tmp_path / "x.npy", layout(x.astype(f"{order}i4")))
            np.testing.assert_array_equal(read_array(tmp_path / "x.npy"), x)
    # Zeros are no bomb as long as they are few.
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(67_000_000, np.uint8), y=np.zeros((0, 7)))
    assert read_arrays(tmp_path / "x.npz")["x"].nbytes == 67_000_000
    assert read_arrays(tmp_path / "x.npz")["y"].shape == (0, 7)


def test_an_array_that_does_not_fit_into_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", x=np.zeros(1000))
    monkeypatch.setattr("jaxattack.npz.free_memory", lambda: 7999)
    with pytest.raises(InputError, match="takes 8,000 bytes and 7,999 bytes of memory are free"):
        read_arrays(tmp_path / "x.npz")
    monkeypatch.setattr("jaxattack.npz.free_memory", lambda: 8000)
    assert len(read_arrays(tmp_path / "x.npz")["x"]) == 1000


def test_the_memory_that_is_free_is_known(monkeypatch):
    assert 1 << 20 < free_memory() < 1 << 50
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1 << 30, 1 << 30))
    assert free_memory() <= 1 << 30


def test_the_keys_of_a_server(tmp_path):
    good = {"name": "me", "secret": "hunter2-hunter2"}
    cases = TEXTS | {
        f"{field} is {value!r}": json.dumps([good | {field: value}]).encode()
        for field in good
        for value in (None, 3, [], {}, "", "two words", "x" * 10_000)
    }
    cases["a secret in the place of a name"] = b'[{"hunter2-hunter2": 1}]'
    for name, data in cases.items():
        (tmp_path / "keys.json").write_bytes(data)
        assert "hunter2" not in refused(name, lambda: _keys(tmp_path / "keys.json"))


def test_a_file_of_a_folder_that_links_out_of_it_and_a_pipe_are_not_read(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    np.savez(tmp_path / "a.npz", a=LABEL)
    np.save(tmp_path / "a.npy", LABEL)
    (tmp_path / "a.json").write_text("{}")
    for name, read in (("a.npz", read_arrays), ("a.npy", read_array), ("a.json", read_json)):
        (folder / name).symlink_to(tmp_path / name)
        assert "link to a file outside" in refused(name, lambda read=read, name=name: read(folder / name))
        (folder / name).unlink()
        (tmp_path / name).rename(folder / name)
        (folder / f"again-{name}").symlink_to(name)
        read(folder / f"again-{name}")
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert "it is a pipe or a device" in refused(name, lambda read=read, name=name: read(folder / name))
    refused(
        "device",
        lambda: (
            load("/dev/zero.npz") if os.path.exists("/dev/zero.npz") else read_array(tmp_path / "../../../dev/zero")
        ),
    )


def test_an_archive_is_opened_without_reading_its_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((5, 2)), y=np.arange(5))
    with open_arrays(tmp_path / "x.npz") as archive:
        assert archive.names == ("x", "y")
        assert archive.header("x").shape == (5, 2)
        with pytest.raises(UnreadableError, match="z: there is no such array"):
            archive.read("z")


def test_text_of_a_file_commands_no_terminal(tmp_path):
    (tmp_path / "a.json").write_text(
        json.dumps({"a\x1b": ["\x1b[31mred\x9b0m\r", {"b": "two\nlines\t\u00e9"}], "n": 1.5})
    )
    assert read_json(tmp_path / "a.json") == {"a?": ["?[31mred?0m?", {"b": "two\nlines\t\u00e9"}], "n": 1.5}

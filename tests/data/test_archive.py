from __future__ import annotations

import os

import numpy as np
import pytest

from jaxattack.data import archive, fingerprint, load, save
from jaxattack.types import InputError

X = np.arange(24, dtype=np.float32).reshape(6, 4)
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("name", ["digits", "iris"])
def test_what_is_saved_loads_the_same(tmp_path, name):
    dataset = load(name)
    path = tmp_path / "records.npz"
    save(dataset, path)
    back = load(path)
    assert fingerprint(back) == fingerprint(dataset)
    assert back.name == str(path)
    assert os.listdir(tmp_path) == ["records.npz"]


def test_a_class_that_no_record_has_is_kept(tmp_path):
    np.savez(tmp_path / "records.npz", x=X, y=Y, classes=5)
    dataset = load(str(tmp_path / "records.npz"))
    save(dataset, tmp_path / "again.npz")
    assert load(tmp_path / "again.npz").classes == dataset.classes == 5


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "records.npz", x=X, y=Y)
    assert len(load("~/records.npz")) == 6


def test_a_failed_save_leaves_the_old_file_and_no_part(tmp_path, monkeypatch):
    path = tmp_path / "records.npz"
    save(load("iris"), path)

    def full(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.np, "savez", full)
    with pytest.raises(InputError, match=r"cannot write .*: No space left on device: make room or choose a folder"):
        save(load("wine"), path)
    assert os.listdir(tmp_path) == ["records.npz"]
    assert len(load(path)) == 150


def test_a_folder_that_is_not_there_cannot_be_saved_to(tmp_path):
    with pytest.raises(InputError, match=r"cannot write .*: No such file or directory"):
        save(load("iris"), tmp_path / "nowhere" / "records.npz")


def test_a_file_of_another_kind_is_not_saved_to(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.npz: rename it"):
        save(load("iris"), tmp_path / "records.csv")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, r"no 'y' \(it holds x\): save it with numpy.savez"),
        ({"y": Y}, r"no 'x' \(it holds y\)"),
        (
            {"x": X.astype(object), "y": Y},
            r"\(x: it holds Python objects, which are never read\): write it again .* of numbers",
        ),
        ({"x": np.where(X == 5, np.nan, X), "y": Y}, r"x is NaN or infinite in 1 records: drop or fill them"),
        ({"x": X, "y": Y[:5]}, r"x has 6 records and y has 5: give one label for each record"),
        ({"x": X, "y": Y * 0 + 2}, r"every record has the label 2: a classifier needs at least two classes"),
        ({"x": X, "y": Y, "classes": 2}, r"y ranges from 0 to 2, outside 0 to 1: renumber"),
        ({"x": X, "y": Y - 1, "classes": 4}, r"y ranges from -1 to 1, outside 0 to 3: renumber"),
        ({"x": X, "y": Y, "classes": 3.0}, r"classes has dtype float64 and shape \(\): give one whole number"),
        ({"x": X, "y": Y, "classes": ["a", "b"]}, r"y ranges from 0 to 2, outside 0 to 1"),
        ({"x": X, "y": Y, "classes": [["a", "b"]]}, r"classes has dtype <U1 and shape \(1, 2\): give one"),
    ],
)
def test_arrays_that_make_no_data_set_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        load(tmp_path / "bad.npz")
    assert str(caught.value).startswith(str(tmp_path / "bad.npz"))
    assert "\n" not in str(caught.value)


def _truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def _alter(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 4] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_truncate, r"cannot be read \(it is truncated, or no \.npz file\): write it again"),
        (_alter, r"cannot be read \(it is truncated, or no \.npz file\)"),
        (lambda path: path.write_bytes(b""), r"cannot be read \(it is truncated, or no \.npz file\)"),
        (lambda path: path.write_text("x,y\n1,2\n"), r"cannot be read \(it is truncated, or no \.npz file\)"),
        (lambda path: (path.unlink(), path.mkdir()), r"cannot be read \(Is a directory\)"),
        (lambda path: path.unlink(), r"there is no such file: check the path"),
    ],
)
def test_a_file_that_is_no_whole_archive_is_refused(tmp_path, damage, message):
    path = tmp_path / "bad.npz"
    np.savez(path, x=np.repeat(X, 50, axis=0), y=np.repeat(Y, 50))
    damage(path)
    with pytest.raises(InputError, match=message):
        load(path)


def test_one_array_under_the_name_of_an_archive_is_refused(tmp_path):
    with open(tmp_path / "one.npz", "wb") as file:
        np.save(file, X)
    with pytest.raises(
        InputError, match=r"cannot be read \(it holds no named array\): write it again with numpy.savez"
    ):
        load(tmp_path / "one.npz")

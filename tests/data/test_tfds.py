from __future__ import annotations

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from prepared import real_mnist, write_tfds

from jaxattack.data import load
from jaxattack.types import InputError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (60, 5, 4, 3), dtype=np.uint8), np.arange(60) % 3


def test_real_images_come_back_as_they_were_prepared(folder):
    x, y = real_mnist(2500)
    write_tfds(folder, "real_mnist", x, y)
    dataset = load("tfds:real_mnist")
    np.testing.assert_array_equal(dataset.x, x)
    np.testing.assert_array_equal(dataset.y, y)
    assert (dataset.x.dtype, dataset.classes, dataset.name, dataset.images) == (np.uint8, 10, "tfds:real_mnist", True)


@pytest.mark.parametrize("channels", [1, 3])
def test_encoded_images_are_decoded_without_a_word(folder, small, channels, caplog):
    x, y = small[0][..., :channels], small[1]
    write_tfds(folder, "encoded", x, y, png=True)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(load("tfds:encoded").x, x)
    assert not caplog.records


@pytest.mark.parametrize("file_format", ["array_record", "parquet"])
@pytest.mark.parametrize(
    ("split", "records"),
    [
        ("train", range(60)),
        ("train[:20]", range(20)),
        ("train[50%:]", range(30, 60)),
        ("train[-5:]", range(55, 60)),
        ("train[:10%]+train[40:43]", [*range(6), 40, 41, 42]),
        ("all", range(60)),
    ],
)
def test_a_split_holds_its_records_in_every_format(folder, small, file_format, split, records):
    x, y = small
    write_tfds(folder, "splits", x, y, file_format=file_format)
    dataset = load(f"tfds:splits?split={split}")
    np.testing.assert_array_equal(dataset.x, x[list(records)])
    np.testing.assert_array_equal(dataset.y, y[list(records)])
    assert dataset.classes == 3


def test_a_version_and_a_folder_may_be_named(tmp_path, small, monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    x, y = small
    write_tfds(tmp_path, "versioned", x, y)
    dataset = load(f"tfds:versioned:1.0.0?split=train[:9]&data_dir={tmp_path}")
    np.testing.assert_array_equal(dataset.x, x[:9])


def test_tables_become_float32(folder, small):
    x = small[0].reshape(60, -1).astype(np.float64) / 3
    write_tfds(folder, "table", x, small[1], keys=None)
    np.testing.assert_array_equal(load("tfds:table").x, x.astype(np.float32))


def test_reading_needs_no_tensorflow(folder, small):
    write_tfds(folder, "plain", *small, png=True)
    code = (
        "import sys; from jaxattack.data import load; assert 'tensorflow_datasets' not in sys.modules; "
        "print(len(load('tfds:plain'))); assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("60\n", 0), done.stderr


def test_a_parquet_set_that_tfds_wrote_short_is_refused(folder):
    # The parquet writer of TFDS drops most records of a file of more than a hundred: never read it as if whole.
    x = np.arange(300, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis] * np.ones((1, 2, 2, 1), np.uint8)
    write_tfds(folder, "short", x, np.arange(300) % 2, file_format="parquet")
    import pyarrow.parquet as parquet

    (file,) = (folder / "short" / "1.0.0").glob("*.parquet*")
    kept = parquet.read_table(file)
    if len(kept) == 300:
        parquet.write_table(kept.slice(0, 100), file)
    with pytest.raises(
        InputError, match=r"short: train holds \d+ records where 300 were written: delete .*array_record"
    ):
        load("tfds:short")


def test_a_known_set_that_is_not_prepared_says_how_to_prepare_it(folder):
    with pytest.raises(InputError) as caught:
        load("tfds:mnist")
    message = str(caught.value)
    assert f"tfds:mnist: it is not prepared in {folder}" in message
    assert f"tfds.builder('mnist', data_dir='{folder}', file_format='array_record').download_and_prepare()" in message
    assert "set TFDS_DATA_DIR" in message


def test_an_absent_version_names_those_that_are_there(folder, small):
    write_tfds(folder, "versions", *small)
    with pytest.raises(InputError, match=r"not prepared in .* \(of versions there is: 1\.0\.0\)"):
        load("tfds:versions:2.0.0")


def test_an_unknown_set_is_named_with_the_nearest(folder):
    with pytest.raises(InputError, match=r"knows no 'mnits' \(did you mean 'mnist'\?\).*: check the name"):
        load("tfds:mnits")


@pytest.mark.parametrize("name", ["tfds:", "tfds:not a name"])
def test_a_name_of_another_form_is_refused(folder, name):
    with pytest.raises(InputError, match=r"cannot open it .*: write name, name/config or name:1\.0\.0"):
        load(name)


def test_a_set_prepared_as_tfrecord_is_to_be_prepared_again(folder, small):
    place = write_tfds(folder, "records", *small)
    description = json.loads((place / "dataset_info.json").read_text())
    (place / "dataset_info.json").write_text(json.dumps(description | {"fileFormat": "tfrecord"}))
    with pytest.raises(
        InputError, match=r"prepared as tfrecord, which only TensorFlow reads: delete .*1\.0\.0, and .*array_record"
    ):
        load("tfds:records")


@pytest.mark.parametrize("split", ["test", "train[:61]", "train[5", "trai"])
def test_an_unknown_split_names_those_that_are_there(folder, small, split):
    write_tfds(folder, "few", *small)
    with pytest.raises(InputError, match=r"no split .*: choose from train \(60 records\)"):
        load(f"tfds:few?split={split}")


@pytest.mark.parametrize("split", ["train[:0]", "train[20:10]"])
def test_an_empty_split_is_refused(folder, small, split):
    write_tfds(folder, "none", *small)
    with pytest.raises(InputError, match=r"holds no records: widen it"):
        load(f"tfds:none?split={split}")


@pytest.mark.parametrize("damage", ["cut at a block", "cut in a block", "absent", "description"])
def test_a_damaged_set_is_refused(folder, small, damage):
    place = write_tfds(folder, "damaged", *small)
    (file,) = place.glob("*array_record*")
    if damage.startswith("cut"):
        os.truncate(file, 2**16 + (damage == "cut in a block") * 2**15)
    elif damage == "absent":
        file.unlink()
    else:
        (place / "dataset_info.json").write_text("{")
    with pytest.raises(InputError, match="prepare") as caught:
        load("tfds:damaged")
    assert "\n" not in str(caught.value)


def test_images_of_different_sizes_are_refused(folder):
    x = [np.zeros((size, 4, 3), np.uint8) for size in (3, 5, 3)]
    write_tfds(folder, "sizes", x, np.array([0, 1, 0]), png=True)
    with pytest.raises(InputError, match=r"records of different shapes \(2 of them\): resize them"):
        load("tfds:sizes")


def test_a_set_without_a_label_is_refused(folder, small):
    place = write_tfds(folder, "unlabelled", *small)
    description = json.loads((place / "dataset_info.json").read_text())
    description.pop("supervisedKeys")
    (place / "dataset_info.json").write_text(json.dumps(description))
    features = (place / "features.json").read_text()
    (place / "features.json").write_text(features.replace('"label"', '"kind"'))
    with pytest.raises(InputError, match=r"no one array of features with a label \(it holds .*kind.*\): save x and y"):
        load("tfds:unlabelled")


def test_a_missing_reader_is_named(folder, small, monkeypatch):
    write_tfds(folder, "reader", *small)
    from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

    def absent(*_args, **_options):
        raise ImportError("No module named 'array_record'", name="array_record")

    monkeypatch.setattr(FileReaderBuilder, "as_data_source", absent)
    with pytest.raises(InputError, match="reading it needs array_record: install it"):
        load("tfds:reader")

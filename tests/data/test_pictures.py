"""Folders of pictures by class, and pictures of any library, as bytes of one shape."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxattack.data import fingerprint, load, pictures
from jaxattack.types import InputError, InputWarning

RANDOM = np.random.default_rng(0)


def write(folder, which, array, **options):
    path = folder / which
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array, **options).save(path)


def bytes_of(*shape):
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    for which in ("dog/1.png", "cat/b.png", "cat/a.bmp"):
        write(tmp_path, which, bytes_of(4, 6, 3))
    return tmp_path


def test_a_folder_is_read_by_class_with_ids(folder):
    dataset = load(folder)
    assert (dataset.names, dataset.ids) == (("cat", "dog"), ("cat/a.bmp", "cat/b.png", "dog/1.png"))
    assert dataset.y.tolist() == [0, 0, 1]
    for one, which in zip(dataset.x, dataset.ids, strict=True):
        np.testing.assert_array_equal(one, np.asarray(Image.open(folder / which)))
    assert fingerprint(load(dataset.name)) == fingerprint(dataset)


def test_grey_pictures_have_one_channel_and_become_colour_beside_others(tmp_path):
    write(tmp_path, "a/1.png", grey := bytes_of(4, 4))
    write(tmp_path, "b/1.png", bytes_of(4, 4))
    assert load(tmp_path).shape == (4, 4, 1)
    write(tmp_path, "b/2.png", clear := bytes_of(4, 4, 4))
    dataset = load(tmp_path)
    assert dataset.shape == (4, 4, 3)
    np.testing.assert_array_equal(dataset.x[0], np.repeat(grey[..., None], 3, axis=2))
    np.testing.assert_array_equal(dataset.x[2], clear[..., :3])


@pytest.mark.parametrize(("size", "shape"), [(8, (8, 8, 3)), ("8x10", (8, 10, 3))])
def test_pictures_are_resized_where_a_size_is_named(folder, size, shape):
    write(folder, "dog/2.png", bytes_of(5, 6, 3))
    with pytest.raises(
        InputError, match=r"dog/2.png has 5 x 6 pixels and cat/a.bmp 4 x 6: give one size .* as size=32"
    ):
        load(folder)
    dataset = load(folder, size=size)
    assert dataset.shape == shape
    assert dataset.name == f"{folder}?size={size}"


def png(width, height, depth=1, kind=0):
    """A picture of few bytes and of so many pixels: grey, or of another of the kinds of PNG."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    bits = depth * {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    rows = zlib.compress(bytes((-(-width * bits // 8) + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff():
    file = io.BytesIO()
    Image.fromarray(bytes_of(4, 6)).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n bad", r"dog/2.png is no picture of its kind: remove it"),
        (png(8, 8)[:45], r"dog/2.png cannot be read \(.*\): remove or mend it"),
        (png(10_000, 10_000), r"dog/2.png cannot be read \(.*exceeds limit.*\): remove or mend it"),
        (tiff(), r"dog/2.png is no picture of its kind"),
        (b"", r"dog/2.png is no picture of its kind"),
    ],
)
def test_files_that_are_no_harmless_pictures_are_refused(folder, data, message):
    (folder / "dog/2.png").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_pictures_of_more_than_bytes_or_more_than_memory_are_refused(folder, monkeypatch):
    monkeypatch.setattr(pictures, "free_memory", lambda: 100)
    with pytest.raises(InputError, match="3 pictures of such a size do not fit into memory"):
        load(folder)
    monkeypatch.undo()
    for kind in (0, 2, 4, 6):
        (folder / "dog/2.png").write_bytes(png(6, 4, 8, kind))
        assert len(load(folder, size=4)) == 4
        (folder / "dog/2.png").write_bytes(png(6, 4, 16, kind))
        with pytest.raises(InputError, match=r"dog/2.png has 16 bits a channel: give 8 bits a channel"):
            load(folder, size=4)


@pytest.mark.parametrize("size", ["0", "x", "3x4x5", "5000", "-1", "1.5"])
def test_a_size_that_is_none_is_refused(folder, size):
    with pytest.raises(InputError, match="size is .*: give 32, or 32x48"):
        load(folder, size=size)


def test_other_files_are_left_out_with_a_warning_and_a_folder_of_one_class_is_refused(folder):
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / "cat" / ".hidden").write_text("x")
    with pytest.warns(InputWarning, match="left out as no pictures: notes.txt"):
        assert len(load(folder)) == 3
    (folder / "dog/1.png").unlink()
    with pytest.raises(InputError, match=r"has 2 pictures in 2 folders: give FOLDER/CLASS/PICTURE.png"):
        load(folder)


def test_pictures_of_a_hugging_face_set_are_read_with_its_labels(folder):
    hugging_face = pytest.importorskip("datasets", reason="the library datasets is not installed")
    own = load(folder)
    features = hugging_face.Features(
        {
            "image": hugging_face.Image(),
            "kind": hugging_face.ClassLabel(names=["cat", "dog"]),
            "id": hugging_face.Value("string"),
        }
    )
    rows = {"image": [str(folder / which) for which in own.ids], "kind": own.y.tolist(), "id": [*own.ids]}
    source = hugging_face.Dataset.from_dict(rows, features=features)
    dataset = load(source, label="kind", name="pets")
    assert (fingerprint(dataset), dataset.names, dataset.ids, dataset.name) == (
        fingerprint(own),
        own.names,
        own.ids,
        "pets",
    )
    assert load(source, label="kind", size=3).shape == (3, 3, 3)
    with pytest.raises(InputError, match="several columns of pictures"):
        load(source.add_column("other", rows["image"]).cast_column("other", hugging_face.Image()), label="kind")

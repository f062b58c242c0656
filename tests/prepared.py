"""Real images, and sets prepared by tensorflow-datasets, for tests that read them; no TensorFlow, no network."""

from __future__ import annotations

import io
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def real_mnist(records: int) -> tuple[np.ndarray, np.ndarray]:
    """The first MNIST test images as uint8 [record, 28, 28, 1], and their labels; skips the test without them."""
    images = _SHARED / "mnist" / "test.npy.xz"
    if not images.exists():
        pytest.skip(f"the real images are not here: {images}")
    x = np.load(io.BytesIO(lzma.decompress(images.read_bytes())))
    with np.load(_SHARED / "mnist" / "labels.npz") as labels:
        y = labels["y_test"]
    return x[:records, ..., np.newaxis], y[:records]


def write_tfds(
    folder: Path,
    name: str,
    x: np.ndarray | Sequence[np.ndarray],
    y: np.ndarray,
    *,
    file_format: str = "array_record",
    png: bool = False,
    keys: tuple[str, str] | None = ("image", "label"),
) -> Path:
    """Prepare ``name:1.0.0`` with the split "train" in a data folder, records in the order given; its own folder.

    Args:
        folder: what TFDS_DATA_DIR will name.
        name: of the set, lower case.
        x: records, of different shapes only with ``png``; stored as a Tensor, or as encoded images with ``png``.
        y: labels from 0.
        file_format: "array_record" or "parquet".
        png: store `tfds.features.Image`, as the sets of TFDS do.
        keys: the supervised keys that the set declares.
    """
    import tensorflow_datasets as tfds

    class Written(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            if png:
                feature = tfds.features.Image(shape=(None, None, x[0].shape[-1]), encoding_format="png")
            else:
                feature = tfds.features.Tensor(shape=x[0].shape, dtype=x[0].dtype)
            label = tfds.features.ClassLabel(num_classes=int(np.max(y)) + 1)
            return tfds.core.DatasetInfo(
                builder=self,
                description="Written by a test.",
                features=tfds.features.FeaturesDict({"image": feature, "label": label}),
                supervised_keys=keys,
                disable_shuffling=True,
            )

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Iterator[Any]:
            for record, (image, label) in enumerate(zip(x, y, strict=True)):
                yield record, {"image": _png(image) if png else image, "label": int(label)}

    Written.name = name
    tfds.disable_progress_bar()
    builder = Written(data_dir=str(folder), file_format=file_format)
    builder.download_and_prepare()
    return Path(builder.data_dir)


def _png(image: np.ndarray) -> io.BytesIO:
    # TFDS encodes an array with TensorFlow, but stores what it reads from a file as it is.
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    file.seek(0)
    return file

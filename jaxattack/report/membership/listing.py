"""The page's list of all records: what it shows without a script, and what the script searches, sorts and draws.

The page stays a few megabytes however many records there are: it lists the most vulnerable, and fewer of them have a
picture. What it leaves out is said on it, and records.csv has every record.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from jaxattack.audit.record_table import RecordTable

Picture = UInt8[np.ndarray, "height width channel"]

MOST = 5_000
"""Records on a page: about 200 bytes each."""
FIRST = 15
"""Records that are there without a script, and on each page of the list."""
BINS = 8, 32
"""Fewest and most bins of a record's histogram; between, the square root of the number of models."""
PIXELS = 3 << 20
"""Bytes of all pictures before they are packed: 1,024 of 32 by 32 pixels in colour."""
SIDE = 64
"""Pixels to which the longer side of a picture is reduced."""


class Row(NamedTuple):
    """A record as it is shown without a script; what is not known is None."""

    id: str
    rank: int
    label: str
    vulnerability: float | None
    low: float | None
    high: float | None
    beyond: bool
    rates: tuple[float | None, ...]
    mean_in: float | None
    mean_out: float | None
    difficulty: float | None


class Listing(NamedTuple):
    """What the page says of the records.

    Attributes:
        records: how many there are.
        count: how many the page has.
        pictures: how many of them have a picture.
        attack: whose rates they are.
        rates: the false-positive rates that the columns are for.
        labels_alone: whether what is shown is 1 where a model is right, and 0 else.
        rows: the first of them.
        data: all of them, for the script: columns by name, in the order of rank.
    """

    records: int
    count: int
    pictures: int
    attack: str
    rates: tuple[str, ...]
    labels_alone: bool
    rows: tuple[Row, ...]
    data: Mapping[str, Any]


def list_records(table: RecordTable, pictures: Mapping[int, Picture]) -> Listing:
    """The records of a report, the most vulnerable first.

    Args:
        table: of all of them.
        pictures: by number; of no record, or of each.
    """
    exposure = table.exposure
    order = np.argsort(table.rank)[:MOST]
    classes, label = np.unique(table.label[order], return_inverse=True)
    sheet = _sheet([pictures[number] for number in exposure.number[order].tolist() if number in pictures])
    histograms = _histograms(exposure.phi[:, order], exposure.member[:, order], labels_alone=exposure.labels_alone)
    columns = {
        "vulnerability": exposure.vulnerability,
        "low": table.interval[0],
        "high": table.interval[1],
        "sensitivity": exposure.sensitivity_index,
        "mean_in": table.mean_in,
        "mean_out": table.mean_out,
        "difficulty": table.difficulty,
    }
    rates = {f"tpr@{rate}": share.tpr for rate, share in table.detections.items()}
    rates |= {f"fpr@{rate}": share.fpr for rate, share in table.detections.items()}
    data = {
        "records": len(table.label),
        "page": FIRST,
        "attack": table.attack,
        "labels_alone": exposure.labels_alone,
        "rates": [*table.detections],
        "classes": [table.names[one] if table.names else str(one) for one in classes.tolist()],
        "id": [table.record_names[record] for record in order],
        "label": label.tolist(),
        "beyond": exposure.beyond[order].astype(int).tolist(),
        **{name: _rounded(values[order]) for name, values in (columns | rates).items()},
        "histogram": histograms,
        "pictures": sheet,
    }
    return Listing(
        records=len(table.label),
        count=len(order),
        pictures=0 if sheet is None else sheet["count"],
        attack=table.attack,
        rates=tuple(table.detections),
        labels_alone=exposure.labels_alone,
        rows=tuple(_row(data, place) for place in range(min(FIRST, len(order)))),
        data=data,
    )


def _row(data: Mapping[str, Any], place: int) -> Row:
    by_rate = [data[f"{kind}@{rate}"][place] for rate in data["rates"] for kind in ("tpr", "fpr")]
    return Row(
        id=data["id"][place],
        rank=place + 1,
        label=data["classes"][data["label"][place]],
        beyond=bool(data["beyond"][place]),
        rates=tuple(by_rate),
        **{name: data[name][place] for name in ("vulnerability", "low", "high", "mean_in", "mean_out", "difficulty")},
    )


def _rounded(values: Float[np.ndarray, "record"]) -> list[float | None]:
    """Four digits, more than models resolve; what is unknown or infinite is None."""
    return [float(f"{value:.4g}") if math.isfinite(value) else None for value in values.tolist()]


def _histograms(
    phi: Float[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"], *, labels_alone: bool
) -> list[list[Any]]:
    """What models say of each record, from the least to the most that any says, or from wrong to right: both ends, and the
    counts of the models that were trained on it and of the others."""
    models, records = phi.shape
    bins = min(max(math.ceil(math.sqrt(models)), BINS[0]), BINS[1])
    low, high = (np.zeros(records), np.ones(records)) if labels_alone else _ends(phi)
    inside = np.minimum((phi - low) / (high - low) * bins, bins - 1).astype(int)
    place = (~member * records + np.arange(records)) * bins + inside
    counts = np.bincount(place.ravel(), minlength=2 * records * bins).reshape(2, records, bins)
    return [list(record) for record in zip(_rounded(low), _rounded(high), *counts.tolist(), strict=True)]


def _ends(phi: Float[np.ndarray, "model record"]) -> tuple[Float[np.ndarray, "record"], Float[np.ndarray, "record"]]:
    """The least and the most of each record; half a nat to either side where all say the same."""
    low, high = phi.min(axis=0).astype(np.float64), phi.max(axis=0).astype(np.float64)
    margin = np.where(high > low, 0.0, 0.5)
    return low - margin, high + margin


def _sheet(pictures: Sequence[Picture]) -> dict[str, Any] | None:
    """One picture of the first of these, side by side in rows; None where there are none."""
    if not pictures:
        return None
    brightest = max(int(picture.max()) for picture in pictures)
    first = _small(pictures[0], brightest)
    height, width, channels = first.shape
    count = min(len(pictures), max(1, PIXELS // first.size))
    across = math.ceil(math.sqrt(count))
    sheet = np.zeros((math.ceil(count / across) * height, across * width, channels), np.uint8)
    for place, picture in enumerate(pictures[:count]):
        top, left = place // across * height, place % across * width
        sheet[top : top + height, left : left + width] = _small(picture, brightest)
    file = io.BytesIO()
    Image.fromarray(sheet if channels > 1 else sheet[..., 0]).save(file, "PNG", optimize=True)
    source = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"source": source, "width": width, "height": height, "across": across, "count": count}


def _small(picture: Picture, brightest: int) -> UInt8[np.ndarray, "rows columns bands"]:
    """A picture in colour, or of its first channel from black to the brightest of all, reduced to `SIDE`."""
    colour = picture.shape[-1] in (3, 4)
    pixels = picture if colour else (picture[..., :1] * (255 / max(brightest, 1))).astype(np.uint8)
    factor = math.ceil(max(pixels.shape[:2]) / SIDE)
    if factor == 1:
        return pixels
    small = np.asarray(Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0]).reduce(factor))
    return small.reshape(*small.shape[:2], -1)

"""How like one record is to another: what is said of a reconstruction and the record that it was made for.

    mse          mean of (a - b)^2 over features
    psnr         10 log10(range^2 / mse), in dB; infinite for equal records
    ssim         structural similarity of pictures (Wang et al. 2004): Gaussian windows of sigma 1.5 and 11 pixels,
                 K1 = 0.01, K2 = 0.03, the mean over pixels and channels
    correlation  Pearson's over features, which a change of brightness or contrast leaves; NaN where one is constant

``range`` is the width of the documented range. All take [..., *feature] pairs of one shape and return [...].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.ndimage import gaussian_filter

from jaxattack.types import InputError

_K1, _K2, _SIGMA, _RADIUS = 0.01, 0.03, 1.5, 5
_BLOCK = 1 << 24


def mse(
    a: Shaped[np.ndarray, "record *feature"], b: Shaped[np.ndarray, "record *feature"]
) -> Float[np.ndarray, "record"]:
    """Mean squared error of each record.

    Raises:
        InputError: records of other shapes, or not as many.

    Example:
        >>> float(np.squeeze(mse(np.zeros((1, 4)), np.full((1, 4), 0.5))))
        0.25
    """
    _require_pairs(a, b)
    return ((a.astype(float) - b) ** 2).reshape(len(a), -1).mean(axis=1)


def psnr(
    a: Shaped[np.ndarray, "record *feature"], b: Shaped[np.ndarray, "record *feature"], extent: float
) -> Float[np.ndarray, "record"]:
    """Peak signal-to-noise ratio of each record in dB.

    Args:
        a: records.
        b: the records that they are compared with.
        extent: the width of the range of their features.
    """
    with np.errstate(divide="ignore"):
        return 10 * np.log10(extent**2 / mse(a, b))


def ssim(
    a: Shaped[np.ndarray, "record height width channel"],
    b: Shaped[np.ndarray, "record height width channel"],
    extent: float,
) -> Float[np.ndarray, "record"]:
    """Structural similarity of each pair of pictures, -1 to 1 (arguments as in `psnr`)."""

    def window(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, (0, _SIGMA, _SIGMA, 0), radius=(0, _RADIUS, _RADIUS, 0), mode="reflect")

    _require_pairs(a, b)
    a, b = a.astype(float), b.astype(float)
    mean_a, mean_b = window(a), window(b)
    var_a, var_b = window(a * a) - mean_a**2, window(b * b) - mean_b**2
    covariance = window(a * b) - mean_a * mean_b
    c1, c2 = (_K1 * extent) ** 2, (_K2 * extent) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).reshape(len(a), -1).mean(axis=1)


def correlation(
    a: Shaped[np.ndarray, "record *feature"], b: Shaped[np.ndarray, "record *feature"]
) -> Float[np.ndarray, "record"]:
    """Pearson's correlation over the features of each record; NaN where one is constant."""
    _require_pairs(a, b)
    a, b = (part.reshape(len(part), -1).astype(float) for part in (a, b))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), size, out=np.full(len(a), np.nan), where=size > 0)


def _require_pairs(a: np.ndarray, b: np.ndarray) -> None:
    """Refuse what NumPy would stretch: one record beside many is compared with none of them.

    Raises:
        InputError: records of other shapes, or not as many.
    """
    if a.shape != b.shape:
        raise InputError(f"records have shapes {a.shape} and {b.shape}: give pairs of one shape.")


class Nearest(NamedTuple):
    """The record of a set that is nearest to each of some others.

    Attributes:
        record: Int["query"], its index.
        distance: Float["query"], Euclidean.
    """

    record: Int[np.ndarray, "query"]
    distance: Float[np.ndarray, "query"]


def nearest(x: Shaped[np.ndarray, "query *feature"], records: Shaped[np.ndarray, "record *feature"]) -> Nearest:
    """The nearest record to each query by Euclidean distance, the first of those that tie.

    Raises:
        InputError: no records, or other features.
    """
    if not len(records) or x.shape[1:] != records.shape[1:]:
        raise InputError(
            f"queries have shape {x.shape} and records {records.shape}: give some records of the same features."
        )
    flat, among = x.reshape(len(x), -1).astype(float), records.reshape(len(records), -1).astype(float)
    # About a whole number near their mean: squares of numbers far from 0, as of times, leave no digits for the distances.
    mean = among.mean(axis=0)
    middle = np.where(np.isfinite(mean), np.rint(mean), 0.0)
    flat, among = flat - middle, among - middle
    rows = max(_BLOCK // max(len(among), 1), 1)
    norms = (among**2).sum(axis=1)
    # The query's own square is the same for all records and decides nothing.
    rows_nearest = [(norms - 2 * flat[at : at + rows] @ among.T).argmin(axis=1) for at in range(0, len(flat), rows)]
    record = np.concatenate(rows_nearest)
    return Nearest(record, np.sqrt(((flat - among[record]) ** 2).sum(axis=1)))

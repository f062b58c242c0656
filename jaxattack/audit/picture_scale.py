"""On what scale a model in a file takes pictures. Nothing in the file says so, and one of 0 to 1 answers bytes too: surer than
it is, or wrong, and with gradients that are nearly none.

So the scale is taken on which a model fits labelled pictures best, by its loss. scikit-learn's digits are 0 to 16 there, and
bytes here: what was fitted on them elsewhere takes those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from scipy.special import logsumexp

from jaxattack.signals.scores import TINY
from jaxattack.types import Answer, InputError

PictureScale = Literal["data", "unit", "signed", "sixteen"]
"""The numbers of the data; bytes as 0 to 1; as -1 to 1; as 0 to 16."""

TRIED = 200
"""Records on which scales are compared, at most; a file answers them at no cost."""

RANGE: dict[PictureScale, tuple[float, float]] = {
    "data": (0.0, 255.0),
    "unit": (0.0, 1.0),
    "signed": (-1.0, 1.0),
    "sixteen": (0.0, 16.0),
}
"""What bytes range from and to on each."""


def best_scale(
    ask: Callable[[Float[np.ndarray, "query height width channel"]], Answer],
    x: UInt8[np.ndarray, "record height width channel"],
    y: Int[np.ndarray, "record"],
    *,
    data: str,
    model: str,
) -> tuple[PictureScale, tuple[str, ...]]:
    """The scale on which a model fits pictures best, and a sentence that says so where it is another than the data's.

    Args:
        ask: the model, uncounted.
        x: pictures of bytes.
        y: the columns of their classes.
        data: the name of the pictures; those of scikit-learn's digits alone are tried from 0 to 16.
        model: its name.
    """
    some = np.linspace(0, len(x) - 1, min(TRIED, len(x))).round().astype(int)
    losses: dict[PictureScale, float] = {
        scale: _loss(ask(on_scale(x[some], scale)), y[some])
        for scale in RANGE
        if scale != "sixteen" or data == "digits"
    }
    best = min(losses, key=losses.__getitem__)
    if best == "data":
        return best, ()
    compared = ", ".join(f"{scale} {loss:.3g}" for scale, loss in losses.items())
    return best, (
        f"{model} is asked about pictures on the scale {best!r}, on which it fits {len(some)} of the records best (mean loss: "
        f"{compared}); target_scale, or pictures that are given as floats, say otherwise.",
    )


def on_scale(x: Shaped[np.ndarray, "record *feature"], scale: PictureScale) -> Float[np.ndarray, "record *feature"]:
    """Pictures of bytes on a scale; other records as they are, on that of the data."""
    low, high = RANGE[scale]
    numbers = x.astype(np.float64)
    if scale == "data":
        return numbers
    scaled = numbers / (255.0 / (high - low)) + low
    # The bytes of digits are rounded from whole numbers, on which thresholds of trees lie.
    return np.rint(scaled) if scale == "sixteen" and x.dtype == np.uint8 else scaled


def as_taken(name: str, x: np.ndarray, shape: tuple[int, ...]) -> Shaped[np.ndarray, "query *feature"]:
    """Records in a victim's layout.

    Raises:
        InputError: they have another size.
    """
    if x.ndim == 4 and shape != x.shape[1:] and shape == (x.shape[3], *x.shape[1:3]):
        x = x.transpose(0, 3, 1, 2)
    if x[0].size != int(np.prod(shape)):
        raise InputError(
            f"{name} takes records of shape {shape} and the data has {x.shape[1:]}: give the records that it takes."
        )
    return x.reshape(len(x), *shape)


def _loss(answer: Answer, y: Int[np.ndarray, "record"]) -> float:
    """The mean cross entropy of answers; of labels alone the share that is wrong."""
    rows = np.arange(len(y))
    if answer.logit is not None:
        return float((logsumexp(answer.logit, axis=1) - answer.logit[rows, y]).mean())
    if answer.probability is not None:
        return float(-np.log(np.maximum(np.nan_to_num(answer.probability[rows, y]), TINY)).mean())
    return float((answer.label != y).mean())

"""Labels of any kind to class numbers: what data sets and observations from elsewhere have in common.

| labels | become |
| --- | --- |
| whole numbers 0 to k - 1, Booleans, floats that are whole | class numbers, as they are |
| whole numbers with gaps, negative ones, or from 1 | class numbers in their order, with names and a warning |
| text | class numbers in alphabetical order, with names; a warning where two differ by capitals alone |
| text that differs by blanks alone or looks the same, that is empty or says nan, bytes that are no UTF-8 | InputError, unless ``names`` has it |
| [record, 1] | as [record] |
| [record, k], a single 1 a row and 0 elsewhere | the column of the 1; k classes |
| anything else | InputError |

Where the number of classes is declared, whole numbers below it stay as they are, gaps included; where their names are,
text is looked up among them.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence
from numbers import Number
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped

from jaxattack.types import InputError, InputWarning

BEYOND = 2**31
"""Floats of at least this size are no class numbers."""


class Labels(NamedTuple):
    """Class numbers, and what they stand for.

    Attributes:
        number: the class of each record, 0 to ``classes - 1``.
        classes: how many there are.
        names: of the classes; empty where they are numbered from 0.
    """

    number: Int[np.ndarray, "record"]
    classes: int
    names: tuple[str, ...] = ()


def read_labels(
    y: Shaped[np.ndarray, "record *cls"], name: str, *, classes: int | None = None, names: Sequence[str] = ()
) -> Labels:
    """Labels of any kind as class numbers (see the table above).

    Args:
        y: the labels.
        name: what to call them in messages.
        classes: how many classes there are; by default as many as there are different labels.
        names: of all classes, in the order of their numbers; by default those that occur.

    Warns:
        InputWarning: whole numbers were numbered anew.

    Raises:
        InputError: labels of another kind or shape, or that are not among the declared classes.
    """
    y = np.asarray(y)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim not in (1, 2):
        raise InputError(f"{name} has shape {y.shape}: give one label a record, or one-hot rows [record, class].")
    y = _of_objects(y, name) if y.dtype.kind == "O" and len(y) else y
    classes = len(names) or classes
    if y.ndim == 2:
        labels = _one_hot(y, name, classes)
    elif y.dtype.kind in "US":
        labels = _number_names(_decoded(y, name) if y.dtype.kind == "S" else y, name, classes, names)
    else:
        labels = _numbered(_integers(y, name), name, classes)
    return labels._replace(names=tuple(names)) if names else labels


def _of_objects(y: Shaped[np.ndarray, "record *cls"], name: str) -> Shaped[np.ndarray, "record *cls"]:
    """Objects as numbers or text; a value that is missing would be text too, and a class of its own.

    Raises:
        InputError: there is one.
    """
    missing = [at for at, value in enumerate(y.ravel().tolist()) if _is_missing(value)]
    if missing:
        raise InputError(
            f"{name} has no label in {len(missing)} of {y.size} places, first at {missing[0]}: fill them, or leave the records out."
        )
    return np.array(y.tolist())


def _is_missing(value: object) -> bool:
    """Whether it stands for no value: None, NaN of any kind, or what pandas has in their place."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (Number, np.generic)) and bool(value != value)  # NaN alone is not itself


def _integers(y: np.ndarray, name: str) -> Int[np.ndarray, "record"]:
    if y.dtype.kind == "f":
        integral = np.isfinite(y) & (y == np.rint(y)) & (np.abs(y) < BEYOND)
        if not integral.all():
            raise InputError(f"{name} holds {y[~integral][0]}, which is no whole number: number the classes from 0.")
    elif y.dtype.kind not in "iub":
        raise InputError(f"{name} has dtype {y.dtype}: give whole numbers from 0, or text.")
    elif y.dtype.kind == "u" and len(y) and y.max() > np.iinfo(np.int64).max:
        raise InputError(
            f"{name} holds {y.max()}, beyond the numbers of int64: number the classes from 0, or give text."
        )
    return y.astype(np.int64)


def _numbered(y: Int[np.ndarray, "record"], name: str, classes: int | None) -> Labels:
    present, number = np.unique(y, return_inverse=True)
    if not len(y):
        return Labels(y, classes or 2)
    low, high = int(present[0]), int(present[-1])
    counting = high < classes if classes is not None else high == len(present) - 1 or len(present) == 1
    if low >= 0 and counting:
        return Labels(y, classes if classes is not None else high + 1)
    if classes is not None and len(present) != classes:
        raise InputError(
            f"{name} ranges from {low} to {high}, outside 0 to {classes - 1}: renumber the labels from 0, or say how "
            "many classes there are."
        )
    warnings.warn(
        f"{name} holds {len(present)} different labels from {low} to {high}: they are taken for {len(present)} classes "
        "in their order. Where others are missing in between, number from 0 and say how many classes there are.",
        InputWarning,
        stacklevel=3,
    )
    return Labels(number, len(present), tuple(map(str, present.tolist())))


def _number_names(y: np.ndarray, name: str, classes: int | None, names: Sequence[str]) -> Labels:
    present = np.unique(y).tolist()
    if not names:
        _check_names(present, name)
    if not names and classes not in (None, len(present)):
        raise InputError(
            f"{name} holds {len(present)} different names and classes is {classes}: name all classes in classes."
        )
    numbers = {text: number for number, text in enumerate(names or present)}
    unknown = [text for text in present if text not in numbers]
    if unknown:
        raise InputError(f"{name} holds {unknown[0]!r}, which classes does not name: name all classes there.")
    return Labels(np.array([numbers[text] for text in y.tolist()], np.int64), max(len(numbers), 2), tuple(numbers))


def _decoded(y: np.ndarray, name: str) -> np.ndarray:
    try:
        return np.char.decode(y, "utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} holds bytes that are no UTF-8 ({error.object!r:.60}): give text.") from error


def _check_names(present: Sequence[str], name: str) -> None:
    """Refuse names that are slips: as classes of their own they change every figure.

    Raises:
        InputError: one stands for no value, or two differ by blanks alone.
    """
    for text in present:
        if text.strip() in ("", "nan", "NaN", "<NA>", "NaT"):
            raise InputError(f"{name} holds {text!r}, which is no label: fill it, or leave those records out.")
    require_apart(present, name)
    first: dict[str, str] = {}
    for text in present:
        other = first.setdefault(text.strip().casefold(), text)
        if other != text:
            warnings.warn(
                f"{name} holds {other!r} and {text!r}, which differ by capitals alone and are two classes: write them alike "
                "if they are one.",
                InputWarning,
                stacklevel=5,
            )


def require_apart(texts: Sequence[str], name: str) -> None:
    """Refuse two texts that differ by nothing that is seen: a slip makes two classes, or categories, of one.

    Blanks at the ends, characters without a width, and accents that are part of their letter or follow it.

    Raises:
        InputError: there are two.
    """
    first: dict[str, str] = {}
    for text in texts:
        visible = "".join(
            letter for letter in unicodedata.normalize("NFC", text) if unicodedata.category(letter) != "Cf"
        )
        if (other := first.setdefault(visible.strip(), text)) != text:
            blanks = other.strip() == text.strip()
            told = (
                f"{other!r} and {text!r}, which differ by blanks alone"
                if blanks
                else f"{other!a} and {text!a}, which look the same"
            )
            raise InputError(f"{name} holds {told}: write them alike.")


def _one_hot(y: np.ndarray, name: str, classes: int | None) -> Labels:
    hot = y.dtype.kind in "fiub" and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()
    if not hot or classes not in (None, y.shape[1]):
        declared = "" if classes is None else f" and classes is {classes}"
        raise InputError(
            f"{name} has shape {y.shape}{declared}: give one label a record, or one-hot rows [record, class] with a "
            "single 1 and otherwise 0."
        )
    return Labels(y.argmax(axis=1).astype(np.int64), y.shape[1])

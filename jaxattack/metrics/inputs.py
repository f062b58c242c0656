"""What figures are made of, checked: scores that are numbers, a truth of 0 and 1, and a label for each model.

NumPy takes anything for a Boolean: of coins that are -1 and 1, as of memberships that are not known, all would be members.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from jaxattack.types import InputError
from jaxattack.types.floats import widen_floats


def read_scores(scores: Any) -> Real[np.ndarray, "*shape"] | Bool[np.ndarray, "*shape"]:
    """Scores as an array of numbers, of the kind that they are.

    Raises:
        InputError: rows of unequal lengths, or no numbers.
    """
    array = _array("scores", scores, "numbers")
    if array.dtype.kind not in "fiub":
        raise InputError(f"scores have dtype {array.dtype}: give numbers.")
    return array


def read_truth(member: Any) -> Bool[np.ndarray, "*shape"]:
    """Who is a member, from Booleans or from 0 and 1.

    Raises:
        InputError: rows of unequal lengths, or anything else.
    """
    array = _array("member", member, "0 or 1")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "fiu":
        raise InputError(f"member has dtype {array.dtype}: give 0 or 1.")
    wrong = array[(array != 0) & (array != 1)]
    if wrong.size:
        raise InputError(f"member holds {wrong[0]}: give 1 for members and 0 for all others.")
    return array.astype(bool)


def read_pair(signal: Any, member: Any) -> tuple[Float[np.ndarray, "model record"], Bool[np.ndarray, "model record"]]:
    """What models show of records, in floats, which have a sign and an infinity; and who was trained on them.

    Raises:
        InputError: as `read_scores` and `read_truth`, other models or records, or none.
    """
    signal, member = read_scores(signal), read_truth(member)
    if signal.ndim != 2 or signal.shape != member.shape:
        raise InputError(
            f"there are numbers of shape {signal.shape} and member has {member.shape}: give one of each a model and record, [model, record]."
        )
    if not signal.size:
        raise InputError(f"there are numbers of shape {signal.shape}: give some models and records, [model, record].")
    return signal if signal.dtype.kind == "f" else signal.astype(np.float64), member


def read_clusters(clusters: Any, models: int) -> Int[np.ndarray, "model"]:
    """The cluster of each model, numbered from 0 in the order of their labels.

    Raises:
        InputError: not one label for each model.
    """
    labels = _array("clusters", clusters, "one label for each model")
    if labels.shape != (models,) or labels.dtype.hasobject:
        raise InputError(
            f"clusters has shape {labels.shape}, dtype {labels.dtype} and there are {models} models: give one label each."
        )
    return np.unique(labels, return_inverse=True)[1]


def _array(name: str, values: Any, due: str) -> np.ndarray:
    try:
        return widen_floats(np.asarray(values))
    except ValueError as error:  # lists of unequal lengths
        raise InputError(f"{name} is no array ({error}): give {due} in rows of equal lengths.") from error

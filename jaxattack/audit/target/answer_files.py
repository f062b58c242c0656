"""A target's answers and members that others wrote down.

Answers are an .npz, without pickled objects, of one of

    logits       Float ["record cls"] or ["record query cls"]
    probability  Float, of the same shape: rows that sum to 1
    prediction   Int ["record"] or ["record query"], the class that is answered

and optionally `member` ["record"], 1, 0, or -1 where that is not known, and `classes`, the names of the columns, in whose order
predictions are numbered too. Its records are those of the data, in their order; its views of a record those of
`jaxattack.training.Queries`, the record itself first.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy.typing import ArrayLike

from jaxattack.audit.columns import names_of
from jaxattack.audit.target.answers import TargetAnswers
from jaxattack.audit.target.terms import Membership
from jaxattack.npz import UnreadableError, open_arrays, printable, read_npy, reason
from jaxattack.training import Queries
from jaxattack.types import Answer, Dataset, InputError, Level

LEVELS: dict[str, Level] = {"logits": "logit", "probability": "probability", "prediction": "label"}
"""How much is answered, by the name of an array."""


def read_answers(path: Path, records: Dataset, queries: Queries) -> TargetAnswers:
    """Answers that other code wrote down, as the module says.

    Args:
        path: the .npz.
        records: the whole data that they are about.
        queries: the views.

    Raises:
        InputError: it is missing, damaged or lacks answers, or they are about other records, views or classes.
    """
    try:
        with open_arrays(path) as archive:
            arrays = {name: archive.read(name) for name in archive.names}
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give an .npz with logits, probability or prediction.") from error
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}): write it with numpy.savez, without objects."
        ) from error
    there = [name for name in LEVELS if name in arrays]
    if arrays.get("member", np.zeros(0)).ndim == 2:
        raise InputError(
            f"{path} is of {len(arrays['member'])} models: audit one of them with jaxattack score {path} --target 0, or give "
            "the answers of one."
        )
    if len(there) != 1:
        raise InputError(
            f"{path} holds {printable(arrays) or 'nothing'}: give logits, probability or prediction of one model, and one of them."
        )
    name = there[0]
    values = _by_view(path, name, arrays[name], len(records), queries.count)
    member = None if "member" not in arrays else as_membership(arrays["member"], len(records), f"{path}: member")
    names = arrays.get("classes")
    columns = values.shape[-1] if name != "prediction" else records.classes if names is None else names.size
    order = _file_order(path, names, columns, records)
    if name == "prediction":
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= columns:
            raise InputError(f"{path}: prediction has dtype {values.dtype}: give class numbers, 0 to {columns - 1}.")
        return TargetAnswers(path.name, Answer(np.argsort(order)[values]), "label", member=member)
    scores = values[..., order] if values.dtype.kind == "f" else values[..., order].astype(np.float64)
    label = np.nan_to_num(scores, nan=-np.inf).argmax(axis=-1)
    answer = Answer(label, scores) if name == "probability" else Answer(label, None, scores)
    return TargetAnswers(path.name, answer, LEVELS[name], member=member)


def _by_view(path: Path, name: str, values: np.ndarray, records: int, views: int) -> np.ndarray:
    axes = 1 if name == "prediction" else 2
    shape = "[record]" if name == "prediction" else "[record, class]"
    if values.ndim not in (axes, axes + 1) or values.dtype.kind not in "fiu":
        raise InputError(f"{path}: {name} has dtype {values.dtype} and shape {values.shape}: give numbers {shape}.")
    by_view = values if values.ndim > axes else values[:, None]
    if by_view.shape[:2] != (records, views):
        raise InputError(
            f"{path}: {name} is of {by_view.shape[0]:,} records in {by_view.shape[1]} views, and the data has {records:,} and queries "
            f"is {views}: give the answers about the same, record by record."
        )
    return by_view


def _file_order(path: Path, classes: np.ndarray | None, columns: int, records: Dataset) -> Int[np.ndarray, "column"]:
    if classes is None:
        if columns != records.classes:
            raise InputError(
                f"{path} has {columns} columns and {records.name} {records.classes} classes: give one a class, or name them in classes."
            )
        return np.arange(columns)
    theirs = [str(one) for one in classes.tolist()] if classes.ndim == 1 else []
    ours = names_of(records)
    if len(theirs) != columns or not set(ours) <= set(theirs):
        raise InputError(
            f"{path}: classes names {', '.join(theirs[:5])} and the data has {', '.join(ours[:5])}: name each."
        )
    return np.array([*(theirs.index(name) for name in ours), *(i for i, name in enumerate(theirs) if name not in ours)])


def as_membership(values: ArrayLike, records: int, where: str) -> Membership:
    """Who is a member, from a mask or from the numbers of the members.

    Args:
        values: one entry a record, true or 1 for a member, false or 0 for none, -1 where it is not known; or the numbers of
            the members, all others being none.
        records: how many there are.
        where: it comes from, for messages.

    Raises:
        InputError: neither.
    """
    try:
        values = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"{where} has rows of several lengths: give one entry for each of the {records:,} records."
        ) from error
    if values.shape == (records,) and np.isin(values, (-1, 0, 1)).all():
        return values.astype(np.int8)
    numbers = values.dtype.kind in "iu" and values.ndim == 1 and len(np.unique(values)) == len(values)
    if not numbers or not len(values) or values.min() < 0 or values.max() >= records:
        raise InputError(
            f"{where} has dtype {values.dtype} and shape {values.shape}: give 1 or 0 for each of the {records:,} records, -1 where it is "
            "not known, or the numbers of the members."
        )
    member = np.zeros(records, np.int8)
    member[values] = 1
    return member


def read_membership(path: Path, records: int) -> Membership:
    """The members from a file of numpy.save, as `as_membership` has them.

    Raises:
        InputError: it is missing or is none.
    """
    try:
        values = read_npy(path)
    except (OSError, UnreadableError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}): give a mask or numbers, written with numpy.save."
        ) from error
    return as_membership(values, records, str(path))

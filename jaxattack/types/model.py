"""Records, and what is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Int, PRNGKeyArray, Shaped

from jaxattack.error import InputError

LONGEST_ID = 200
"""Characters of a record's id: beyond them it is a record, and no name of one."""


def check_ids(ids: Sequence[str], records: int, name: str) -> None:
    """Refuse ids by which a reader could not tell one record from another.

    Args:
        ids: of all records, or none.
        records: how many there are.
        name: what to call the records in messages.

    Raises:
        InputError: ids that are not one a record, no text, empty, longer than 200 characters, unprintable, or not unique.
    """
    if len(ids) not in (0, records):
        raise InputError(f"{name}: there are {len(ids)} ids of {records} records: give one for each, or none.")
    for record, text in enumerate(ids):
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_ID or not text.isprintable():
            raise InputError(
                f"{name}: the id of record {record} is {text!r:.60}: give text of 1 to {LONGEST_ID} printable characters."
            )
    if len(set(ids)) < len(ids):
        first = {text: record for record, text in reversed(list(enumerate(ids)))}
        again = next(record for record, text in enumerate(ids) if first[text] != record)
        raise InputError(
            f"{name}: the records {first[ids[again]]} and {again} have the same id {ids[again]!r:.60}: give each its own."
        )


def ids_at(ids: Sequence[str], rows: Int[np.ndarray, "row"]) -> tuple[str, ...]:
    """The ids of the records in these rows; none where one is there twice, which its id does not tell apart."""
    return tuple(ids[int(row)] for row in rows) if ids and len(np.unique(rows)) == len(rows) else ()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Dataset:
    """Records with labels.

    Attributes:
        x: images as uint8 in 0..255, channels last (at least 3 axes), or tables as float32 (2 axes).
        y: labels, 0 to ``classes - 1``.
        classes: the number of classes, at least 2.
        name: where the records came from, as given to `jaxattack.load`.
        names: of the classes; empty where they are numbered alone.
        ids: what each record is called where it comes from; empty where they are numbered alone. Nothing is trained on them.
        features: the names of a table's columns, in their order; empty where they are numbered alone.

    Raises:
        InputError: unequal lengths, no records, ids that `check_ids` refuses, names of other columns than there are, NaN or infinity, a table of bytes or numbers of a foreign
            machine, labels out of range, or fewer than two classes present.

    Example:
        >>> iris = ja.load("iris")
        >>> len(iris), iris.shape, iris.classes
        (150, (4,), 3)
        >>> ja.Dataset(x=np.zeros((4, 2), np.float32), y=np.asarray([0, 1, 1, 0]), classes=2, name="four").classes
        2
    """

    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]
    classes: int
    name: str
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise InputError(
                f"{self.name}: x has {len(self.x)} records and y has {len(self.y)}: give one label for each record."
            )
        if not len(self.y):
            raise InputError(f"{self.name}: there are no records: give at least four.")
        if not np.issubdtype(self.y.dtype, np.integer) or self.y.ndim != 1:
            raise InputError(
                f"{self.name}: y has dtype {self.y.dtype} and shape {self.y.shape}: give one whole-number label a record."
            )
        if self.x.dtype.kind not in "fiub" or not self.x.dtype.isnative:
            raise InputError(
                f"{self.name}: x has dtype {self.x.dtype}: give bytes of pictures, or x.astype('float32')."
            )
        if self.x.dtype == np.uint8 and self.x.ndim == 2:
            raise InputError(
                f"{self.name}: x is a table of bytes, which are taken for brightness from 0 to 255: give x.astype('float32')."
            )
        if np.issubdtype(self.x.dtype, np.floating) and not np.isfinite(self.x).all():
            bad = int((~np.isfinite(self.x.reshape(len(self.x), -1)).all(axis=1)).sum())
            raise InputError(f"{self.name}: x is NaN or infinite in {bad} records: drop or fill them.")
        if self.y.min() < 0 or self.y.max() >= self.classes:
            raise InputError(
                f"{self.name}: y ranges from {self.y.min()} to {self.y.max()}, outside 0 to {self.classes - 1}: "
                "renumber the labels from 0."
            )
        if len(np.unique(self.y)) < 2:
            label = self.names[self.y[0]] if self.y[0] < len(self.names) else self.y[0]
            raise InputError(
                f"{self.name}: every record has the label {label}: a classifier needs at least two classes."
            )
        if len(self.names) not in (0, self.classes):
            raise InputError(
                f"{self.name}: there are {len(self.names)} names of {self.classes} classes: give one for each."
            )
        if self.features and self.x.shape[1:] != (len(self.features),):
            raise InputError(
                f"{self.name}: there are {len(self.features)} names of features and records have shape {self.x.shape[1:]}: give "
                "one for each column of a table."
            )
        check_ids(self.ids, len(self.y), self.name)

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.name}: {len(self):,} records of {' x '.join(map(str, self.shape))} ({self.x.dtype}), "
            f"{self.classes} classes>"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one record."""
        return self.x.shape[1:]

    @property
    def images(self) -> bool:
        """Whether a record is a picture: uint8 with height, width and channels."""
        return self.x.dtype == np.uint8 and self.x.ndim == 4

    def __len__(self) -> int:
        return len(self.y)

    def take(self, records: Int[np.ndarray, "chosen"] | Bool[np.ndarray, "record"] | slice) -> Dataset:
        """The chosen records, in the order given.

        A record that is chosen twice is no longer told by its id: then the records are numbered alone.
        """
        ids = ids_at(self.ids, np.arange(len(self))[records])
        return replace(self, x=self.x[records], y=self.y[records], ids=ids)

    def extend(self, x: Shaped[np.ndarray, "more *feature"], y: Int[np.ndarray, "more"], *, kind: str) -> Dataset:
        """The same records with more behind them.

        Args:
            x: records of the same shape; they take the type of these.
            y: their labels.
            kind: what to call them; where these records have ids, theirs are "kind 0", "kind 1" and so on.
        """
        present = set(self.ids)
        while any(f"{kind} {number}" in present for number in range(len(y))):
            kind += "'"
        return replace(
            self,
            x=np.concatenate([self.x, x.astype(self.x.dtype)]),
            y=np.concatenate([self.y, y.astype(self.y.dtype)]),
            ids=(*self.ids, *(f"{kind} {number}" for number in range(len(y)))) if self.ids else (),
        )


class Variables(NamedTuple):
    """What a model has learnt.

    Attributes:
        params: a pytree of arrays, differentiated.
        rest: a pytree of arrays never differentiated (batch statistics).

    Example:
        >>> variables = ja.models.build("softmax", (4,), 3).init(jax.random.key(0))
        >>> sum(leaf.size for leaf in jax.tree.leaves(variables.params))  # a weight for each feature and class, and biases
        15
    """

    params: Any
    rest: Any


class Model(NamedTuple):
    """A classifier as three pure functions. It is hashable, so that a compiled function is found again.

    Attributes:
        init: key -> Variables.
        apply: (Variables, x["query *feature"]) -> logits["query cls"], as deployed.
        forward: (Variables, x["query *feature"], key) -> (logits["query cls"], rest), as trained.

    Example:
        >>> model = ja.models.build("softmax", (4,), 3)
        >>> variables = model.init(jax.random.key(0))
        >>> model.apply(variables, np.zeros((5, 4), np.float32)).shape
        (5, 3)
    """

    init: Callable[[PRNGKeyArray], Variables]
    apply: Callable[[Variables, jax.Array], jax.Array]
    forward: Callable[[Variables, jax.Array, PRNGKeyArray], tuple[jax.Array, Any]]


class Ensemble(NamedTuple):
    """Many trained models of one architecture.

    Attributes:
        variables: every leaf leads with the axis ``model``.
        member: which records each model was trained on.
    """

    variables: Variables
    member: Bool[np.ndarray, "model record"]

"""Leaf identities: each different answer has a number, and boxes that are known answer for themselves.

A leaf of a tree is a box, so a row between rows of one identity has that identity and need not be asked. This holds
while no two leaves share an identity. Boxes of two identities that intersect prove that one of them is shared: it is
marked as such and answers nothing from then on. The same is true of the nodes at which queries with missing features
stop, among the queries that give the same features.

Confidences that are shares of a few records (1, 1/2, 2/3) are taken to be shared from the start.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.trees.transcript import Transcript
from jaxattack.types import Answer, Oracle

_FEW = 8
"""Leaves of at most so many training records are taken to share their identity with others."""

_ROUND = 1e-6
"""How far a confidence may be off a ratio of small numbers."""


class Identities:
    """Asks an oracle, never the same row twice, and numbers what it answers.

    Attributes:
        label: the predicted class of each identity.
        value: the confidences or outputs of each identity.
        inferred: how many rows known boxes answered.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._shape = oracle.access.inputs.shape
        self._categories = oracle.access.inputs.categories.ravel()
        self._numbers: dict[bytes, int] = {}
        self._cache: dict[bytes, int] = {}
        self._boxes: dict[bytes, _Boxes] = {}
        self._trusted: dict[bytes, tuple[_Boxes, int]] = {}
        self._ambiguous: set[int] = set()
        self.label: list[int] = []
        self.value: list[np.ndarray] = []
        self.inferred = 0

    def __call__(self, rows: Float[np.ndarray, "query feature"], *, infer: bool = True) -> Int[np.ndarray, "query"]:
        """The identity of each row.

        Args:
            rows: NaN for a feature that is not given.
            infer: whether known boxes may answer.
        """
        rows = np.ascontiguousarray(rows) + 0.0
        keys = [row.tobytes() for row in rows]
        fresh = list({key: row for row, key in enumerate(keys) if key not in self._cache}.values())
        inferred = self._infer(rows[fresh]) if infer else np.full(len(fresh), -1)
        self._cache.update((keys[row], int(number)) for row, number in zip(fresh, inferred, strict=True) if number >= 0)
        self._ask(rows[np.array(fresh, int)[inferred < 0]])
        return np.array([self._cache[key] for key in keys])

    def distrust(self, numbers: Iterable[int]) -> None:
        """Infer nothing more from identities that several leaves share."""
        self._ambiguous.update(numbers)
        for boxes in self._boxes.values():
            boxes.distrust(self._ambiguous)

    def ambiguous(self, numbers: Int[np.ndarray, "query"]) -> Bool[np.ndarray, "query"]:
        """Whether several leaves share an identity, as far as is known."""
        return np.isin(numbers, list(self._ambiguous))

    @property
    def complete(self) -> Transcript:
        """The rows that give every feature."""
        rows = np.array([np.frombuffer(key) for key in self._cache]).reshape(-1, len(self._categories))
        return Transcript(rows, np.array(list(self._cache.values()), int)).take(np.asarray(~np.isnan(rows).any(axis=1)))

    def reconsider(self) -> Float[np.ndarray, "query feature"]:
        """Ask the complete rows that were answered by boxes since found to hold several leaves; the rows."""
        doubtful = [key for key, (boxes, number) in self._trusted.items() if not boxes.sound(number)]
        for key in doubtful:
            del self._trusted[key], self._cache[key]
        rows = np.array([np.frombuffer(key) for key in doubtful]).reshape(len(doubtful), len(self._categories))
        self._ask(rows)
        return rows

    def _ask(self, rows: Float[np.ndarray, "query feature"]) -> None:
        if len(rows):
            identity = self._number(self._oracle(rows.reshape(-1, *self._shape)))
            self._cache.update((row.tobytes(), int(number)) for row, number in zip(rows, identity, strict=True))
            self._remember(rows, identity)

    def _number(self, answer: Answer) -> Int[np.ndarray, "query"]:
        value = np.asarray(answer.logit if answer.probability is None else answer.probability, float) + 0.0
        different, first, inverse = np.unique(
            np.column_stack([answer.label, np.nan_to_num(value, nan=-np.inf)]),
            axis=0,
            return_index=True,
            return_inverse=True,
        )
        numbers = []
        for content, row in zip(different, first, strict=True):
            number = self._numbers.setdefault(content.tobytes(), len(self._numbers))
            if number == len(self.value):
                self.label.append(int(answer.label[row]))
                self.value.append(value[row])
                if _common(value[row]):
                    self._ambiguous.add(number)
            numbers.append(number)
        return np.array(numbers)[inverse.ravel()]

    def _infer(self, rows: Float[np.ndarray, "query feature"]) -> Int[np.ndarray, "query"]:
        identity = np.full(len(rows), -1)
        for key, index in _by_pattern(rows):
            if key in self._boxes:
                identity[index] = self._boxes[key].answer(rows[index])
        self.inferred += int((identity >= 0).sum())
        complete = self._boxes.get(np.ones(len(self._categories), bool).tobytes())
        if complete is not None:
            for row in np.flatnonzero((identity >= 0) & ~np.isnan(rows).any(axis=1)):
                self._trusted[rows[row].tobytes()] = complete, int(identity[row])
        return identity

    def _remember(self, rows: Float[np.ndarray, "query feature"], identity: Int[np.ndarray, "query"]) -> None:
        for key, index in _by_pattern(rows):
            if key not in self._boxes:
                self._boxes[key] = _Boxes(self._categories, ~np.isnan(rows[index[0]]))
            self._boxes[key].add(rows[index], identity[index])
            self._boxes[key].distrust(self._ambiguous)


def _common(value: Float[np.ndarray, "cls"]) -> bool:
    """Whether confidences are shares of at most `_FEW` records, as those of many leaves may be."""
    records = np.arange(1, _FEW + 1)[:, None]
    counts = records * np.nan_to_num(value)
    return len(value) > 1 and bool((np.abs(counts - np.round(counts)) < _ROUND).all(axis=1).any())


def _by_pattern(rows: Float[np.ndarray, "query feature"]) -> list[tuple[bytes, Int[np.ndarray, "_row"]]]:
    """The rows that give the same features, together."""
    groups: dict[bytes, list[int]] = {}
    for row, present in enumerate(~np.isnan(rows)):
        groups.setdefault(present.tobytes(), []).append(row)
    return [(key, np.array(index)) for key, index in groups.items()]


class _Boxes:
    """The smallest box around the rows of each identity, among queries that give the same features."""

    def __init__(self, categories: Int[np.ndarray, "feature"], present: Bool[np.ndarray, "feature"]) -> None:
        self._numeric = np.flatnonzero(present & (categories == 0))
        self._categorical = np.flatnonzero(present & (categories > 0))
        width = max(1, categories.max(initial=0))
        self._place: dict[int, int] = {}
        self._low = np.empty((0, len(self._numeric)))
        self._high = np.empty((0, len(self._numeric)))
        self._allowed = np.empty((0, len(self._categorical), width), bool)
        self._identity = np.empty(0, int)
        self._sound = np.empty(0, bool)
        self._rows = np.empty((0, len(present)))
        self._owner = np.empty(0, int)

    def answer(self, rows: Float[np.ndarray, "query feature"]) -> Int[np.ndarray, "query"]:
        """The identity of the box that a row lies in; -1 for none."""
        boxes = np.flatnonzero(self._sound)
        if not len(boxes):
            return np.full(len(rows), -1)
        inside = self._inside(rows, boxes)
        return np.where(inside.any(axis=1), self._identity[boxes[inside.argmax(axis=1)]], -1)

    def distrust(self, numbers: Iterable[int]) -> None:
        """Answer no more with these identities."""
        self._sound[[self._place[number] for number in numbers if number in self._place]] = False

    def sound(self, number: int) -> bool:
        """Whether an identity may still be one leaf's."""
        return bool(self._sound[self._place[number]])

    def add(self, rows: Float[np.ndarray, "query feature"], identity: Int[np.ndarray, "query"]) -> None:
        """Take in what was answered, and mark the identities that cannot be one leaf's."""
        for number in dict.fromkeys(identity.tolist()):
            self._place.setdefault(number, len(self._place))
        fresh = len(self._place) - len(self._identity)
        self._low = np.pad(self._low, ((0, fresh), (0, 0)), constant_values=np.inf)
        self._high = np.pad(self._high, ((0, fresh), (0, 0)), constant_values=-np.inf)
        self._allowed = np.pad(self._allowed, ((0, fresh), (0, 0), (0, 0)))
        self._sound = np.pad(self._sound, (0, fresh), constant_values=True)
        self._identity = np.array(list(self._place))
        place = np.array([self._place[number] for number in identity.tolist()])
        np.minimum.at(self._low, place, rows[:, self._numeric])
        np.maximum.at(self._high, place, rows[:, self._numeric])
        for column, feature in enumerate(self._categorical):
            self._allowed[place, column, rows[:, feature].astype(int)] = True
        self._rows = np.concatenate([self._rows, rows])
        self._owner = np.concatenate([self._owner, place])
        self._compare(np.unique(place))

    def _compare(self, grown: Int[np.ndarray, "box"]) -> None:
        for box in grown[self._sound[grown]]:
            overlap = np.asarray(self._low[box] <= self._high) & np.asarray(self._high[box] >= self._low)
            meets = self._sound & overlap.all(axis=1)
            meets &= np.asarray((self._allowed[box] & self._allowed).any(axis=2)).all(axis=1)
            meets[box] = False
            if meets.any():
                pair = np.append(np.flatnonzero(meets), box)
                foreign = self._inside(self._rows, pair) & (self._owner[:, None] != pair)
                ambiguous = foreign.any(axis=0)
                self._sound[pair[ambiguous] if ambiguous.any() else pair] = False

    def _inside(
        self, rows: Float[np.ndarray, "query feature"], boxes: Int[np.ndarray, "box"]
    ) -> Bool[np.ndarray, "query box"]:
        inside = np.ones((len(rows), len(boxes)), bool)
        for column, feature in enumerate(self._numeric):
            values = rows[:, feature, None]
            inside &= (values >= self._low[boxes, column]) & (values <= self._high[boxes, column])
        for column, feature in enumerate(self._categorical):
            inside &= self._allowed[boxes, column][:, rows[:, feature].astype(int)].T
        return inside

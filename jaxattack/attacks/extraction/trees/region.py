"""Boxes of the input space, as decision trees cut it: intervals of numeric features, sets of categories.

A row that does not give a feature (NaN) lies in a box whatever that feature's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.types import Inputs


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A place where answers change along one feature, the others held still.

    Attributes:
        feature: along which.
        context: Float["feature"], the row that was changed along it.
        below: the largest value known to lie on the left side; NaN for a categorical feature.
        above: the smallest known to lie on the right side.
        left: Bool["category"], the categories of the left side; None for a numeric feature.
    """

    feature: int
    context: np.ndarray
    below: float = np.nan
    above: float = np.nan
    left: np.ndarray | None = None

    @property
    def threshold(self) -> float:
        """Halfway between the two sides of a numeric cut."""
        return (self.below + self.above) / 2

    def ends(self, region: Region, context: np.ndarray, rng: np.random.Generator) -> Float[np.ndarray, "2 feature"]:
        """A context of a region moved to either side of the cut."""
        if self.left is None:
            return along(context, self.feature, (self.below, self.above))
        here = region.allowed[self.feature]
        codes = [rng.choice(np.flatnonzero(here & side)) for side in (self.left, ~self.left)]
        return along(context, self.feature, codes)

    def goes_left(self, rows: Float[np.ndarray, "query feature"]) -> Bool[np.ndarray, "query"]:
        """Which rows lie on the left side."""
        value = rows[:, self.feature]
        return value <= self.below if self.left is None else in_set(value, self.left)


@dataclass(frozen=True, kw_only=True)
class Region:
    """A box: closed intervals of numeric features, sets of the values of categorical ones.

    Attributes:
        low: Float["feature"]; unused for categorical features.
        high: Float["feature"].
        allowed: Bool["feature category"], the categories inside; all False for numeric features.
    """

    low: np.ndarray
    high: np.ndarray
    allowed: np.ndarray

    @classmethod
    def of(cls, inputs: Inputs) -> Region:
        """Everything that a service takes."""
        count = inputs.categories.ravel()
        low, high = (end.ravel().astype(float) for end in (inputs.low, inputs.high))
        return cls(low=low, high=high, allowed=np.arange(max(1, count.max(initial=0))) < count[:, None])

    @cached_property
    def categorical(self) -> Bool[np.ndarray, "feature"]:
        """Which features are categorical."""
        return np.any(self.allowed, axis=1)

    def contains(self, rows: Float[np.ndarray, "query feature"]) -> Bool[np.ndarray, "query"]:
        """Which rows lie inside."""
        outside = np.any(((rows < self.low) | (rows > self.high))[:, ~self.categorical], axis=1)
        for feature in np.flatnonzero(self.categorical):
            outside |= ~in_set(rows[:, feature], self.allowed[feature])
        return ~outside

    def values(self, feature: int) -> Float[np.ndarray, "value"]:
        """The ends of a numeric feature's interval (one value where they are equal), or the categories inside."""
        if self.categorical[feature]:
            return np.flatnonzero(self.allowed[feature]).astype(float)
        low, high = self.low[feature], self.high[feature]
        return np.array([low, high] if low < high else [low])

    def halves(self, cut: Cut) -> tuple[Region, Region]:
        """The two parts that a cut makes; what lies between ``below`` and ``above`` is in neither."""
        feature = cut.feature
        if cut.left is None:
            high, low = self.high.copy(), self.low.copy()
            high[feature], low[feature] = cut.below, cut.above
            return replace(self, high=high), replace(self, low=low)
        parts = np.stack([self.allowed, self.allowed])
        parts[:, feature] &= np.stack([cut.left, ~cut.left])
        return replace(self, allowed=parts[0]), replace(self, allowed=parts[1])

    def holds(self, cut: Cut, *, anywhere: bool = False) -> bool:
        """Whether a numeric cut was seen inside, from one side to the other; or anywhere, but divides the region."""
        if cut.left is not None:
            return False
        if anywhere:
            return bool(self.low[cut.feature] <= cut.below and cut.above <= self.high[cut.feature])
        return bool(self.contains(along(cut.context, cut.feature, (cut.below, cut.above))).all())

    def corners(self, rng: np.random.Generator) -> Float[np.ndarray, "2 feature"]:
        """Two opposite corners: every feature that has two values here differs, so every numeric cut separates them."""
        flip = rng.random(len(self.low)) < 0.5
        corners = np.where(flip, [self.low, self.high], [self.high, self.low])
        for feature in np.flatnonzero(self.categorical).tolist():
            values = self.values(feature)
            corners[:, feature] = rng.permutation(values)[:2] if len(values) > 1 else values
        return corners

    def draw(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "query feature"]:
        """Rows drawn uniformly."""
        rows = self.low + rng.random((count, len(self.low))) * (self.high - self.low)
        for feature in np.flatnonzero(self.categorical):
            rows[:, feature] = rng.choice(self.values(int(feature)), count)
        return rows

    def cover(
        self, rows: Float[np.ndarray, "query feature"], present: Bool[np.ndarray, "feature"], rng: np.random.Generator
    ) -> Float[np.ndarray, "cover feature"]:
        """The fewest rows with which those asked reach every end and category: a box with all of them has the region."""
        missing = {}
        for feature in np.flatnonzero(present).tolist():
            values = self.values(feature)
            missing[feature] = rng.permutation(values[~(values == rows[:, feature, None]).any(axis=0)])
        count = max(max(map(len, missing.values()), default=0), int(not len(rows)))
        cover = np.where(present, self.draw(count, rng), np.nan)
        for feature, values in missing.items():
            cover[: len(values), feature] = values
        return cover


def along(
    context: Float[np.ndarray, "feature"], feature: int, values: np.ndarray | Sequence[float]
) -> Float[np.ndarray, "value feature"]:
    """Records that differ from a context in one feature alone, which takes each of the values."""
    rows = np.repeat(context[None], len(values), axis=0)
    rows[:, feature] = values
    return rows


def in_set(codes: Float[np.ndarray, "query"], allowed: Bool[np.ndarray, "category"]) -> Bool[np.ndarray, "query"]:
    """Which codes belong to a set of categories; one that is not given (NaN) does."""
    absent = np.isnan(codes)
    return absent | allowed[np.where(absent, 0, codes).astype(int)]


def category_cuts(
    context: Float[np.ndarray, "feature"],
    feature: int,
    codes: Float[np.ndarray, "value"],
    identities: Int[np.ndarray, "value"],
    width: int,
) -> list[Cut]:
    """Categories that answer alike against the rest, as ``x = a`` cuts, and prefixes after which answers change, ``x <= a``."""
    sets = [codes[identities == identity] for identity in dict.fromkeys(identities.tolist())]
    sets += [codes[: end + 1] for end in np.flatnonzero(np.diff(identities))]
    cuts: dict[bytes, Cut] = {}
    for members in sets:
        left, rest = (np.isin(np.arange(width), part) for part in (members, np.setdiff1d(codes, members)))
        if rest.any() and rest.tobytes() not in cuts:
            cuts[left.tobytes()] = Cut(feature=feature, context=context, left=left)
    return list(cuts.values())

"""What a search asked in a region, and the identities that it was answered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.trees.region import Region
from jaxattack.attacks.search.lockstep import Search


@dataclass(eq=False)
class Transcript:
    """The rows that one search asked, and their identities.

    Attributes:
        region: where it searches.
        present: Bool["feature"], the features that its rows give; the others are NaN.
        rows: Float["query feature"].
        identity: Int["query"].
    """

    region: Region
    present: Bool[np.ndarray, "feature"]
    rows: Float[np.ndarray, "query feature"]
    identity: Int[np.ndarray, "query"]

    @classmethod
    def nothing(cls, region: Region, present: Bool[np.ndarray, "feature"]) -> Transcript:
        """No rows yet."""
        return cls(region, present, np.empty((0, len(present))), np.empty(0, int))

    def ask(self, rows: Float[np.ndarray, "query feature"]) -> Search[Int[np.ndarray, "query"]]:
        """Ask rows, if there are any, and keep them; the search ``identity = yield from transcript.ask(rows)``."""
        if not len(rows):
            return np.empty(0, int)
        identity = yield rows
        self.rows = np.concatenate([self.rows, rows])
        self.identity = np.concatenate([self.identity, identity])
        return identity

    def take(self, index: np.ndarray) -> Transcript:
        """The chosen rows."""
        return replace(self, rows=self.rows[index], identity=self.identity[index])

    def inside(self, region: Region) -> Transcript:
        """The rows in a region."""
        return replace(self.take(region.contains(self.rows)), region=region)

    def corners(self, rng: np.random.Generator) -> Float[np.ndarray, "2 feature"]:
        """Two opposite corners of the region, with the features that its rows give."""
        return np.where(self.present, self.region.corners(rng), np.nan)

    @property
    def mixed(self) -> bool:
        """Whether two rows have different identities."""
        return bool((self.identity != self.identity[:1]).any())

    @property
    def most(self) -> int:
        """The most frequent identity."""
        return int(np.bincount(self.identity).argmax())

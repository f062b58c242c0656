"""What a search asked, and the identities that it was answered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from jaxattack.attacks.search.lockstep import Search


@dataclass(eq=False)
class Transcript:
    """The rows that one search asked, NaN where a feature was not given, and their identities."""

    rows: Float[np.ndarray, "query feature"]
    identity: Int[np.ndarray, "query"]

    @classmethod
    def nothing(cls, features: int) -> Transcript:
        """No rows yet."""
        return cls(np.empty((0, features)), np.empty(0, int))

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
        return Transcript(self.rows[index], self.identity[index])

    @property
    def mixed(self) -> bool:
        """Whether two rows have different identities."""
        return bool((self.identity != self.identity[:1]).any())

    @property
    def most(self) -> int:
        """The most frequent identity."""
        return int(np.bincount(self.identity).argmax())

"""Answers with Gaussian noise on the scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxattack.defences import by_record
from jaxattack.defences.scores import require_all_scores
from jaxattack.types import Access, Answer, InputError, config


@config
class Noise:
    """Gaussian noise on every logit, or on every confidence, which are then cut at 0 and scaled to sum to 1 again.

    The label is the argmax of the noisy scores. Fresh noise of variance v is averaged away: n repetitions leave v / n. Noise
    that belongs to the record stays, however often it is asked.

    Attributes:
        scale: the standard deviation, above 0.
        by_record: the same noise whenever a record is asked, from a hash of it and of a secret; else fresh noise each time.

    Raises:
        InputError: a scale not above 0.
    """

    paper = "common practice"

    relabels = True

    scale: float = 0.1
    by_record: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"scale is {self.scale}: give a standard deviation above 0.")

    @property
    def resolution(self) -> float:
        """The standard deviation: a smaller confidence drowns. At most 1/2, above which signals would tell no confidences apart."""
        return min(self.scale, 0.5)

    @property
    def fresh(self) -> bool:
        """Unless the noise belongs to the record."""
        return not self.by_record

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone, or answers of the top k.
        """
        return replace(require_all_scores(before, "made noisy"), decimals=None)

    def fit(self, key, endpoint, y, member):  # noqa: ARG002
        """As `jaxattack.types.Defence`: the secret of noise that belongs to records."""
        return jax.random.bits(key) if self.by_record else ()

    def answer(self, state, answer: Answer, x, key) -> Answer:
        """As `jaxattack.types.Defence`; confidences given beside logits, which would not follow their noise, are withheld."""
        scores = answer.probability if answer.logit is None else answer.logit
        assert scores is not None
        noisy = scores + self.scale * self._draw(state, scores, x, key)
        if answer.logit is not None:
            return Answer(noisy.argmax(1), None, noisy)
        return Answer(noisy.argmax(1), as_confidences(noisy))

    def _draw(self, state: Any, scores: Any, x: Any, key: Any) -> Any:
        if self.by_record:
            return by_record.normal(by_record.hashed(x, state), scores.shape[1]).astype(scores.dtype)
        if isinstance(key, np.random.Generator):
            return key.standard_normal(scores.shape)
        return jax.vmap(lambda one: jax.random.normal(one, scores.shape[1:]))(key)


def as_confidences(scores: Any) -> Any:
    """Scores cut at 0 and scaled to sum to 1; where nothing is left, the highest is sure."""
    xp = scores.__array_namespace__()
    cut = scores.clip(min=0.0)
    best = xp.eye(scores.shape[1], dtype=scores.dtype)[scores.argmax(1)]
    cut = xp.where(cut.sum(1, keepdims=True) == 0, best, cut)
    return cut / cut.sum(1, keepdims=True)

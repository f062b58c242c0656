"""The answers of HAMP (Chen and Pattabiraman, NDSS 2024, arXiv 2307.01610): scores of random inputs, in the record's own order.

An answer's scores are replaced by those that the model gives to an input drawn at random, sorted and written down in the rank
order of the true answer. The label and the ranking of the classes stay; the values tell nothing of the record.

| guarantee | |
| --- | --- |
| the label | never changes |
| the ranking of the classes | stays; classes that tie are ranked by their number |
| the values | depend on the record only by which random input its hash picks |

The authors draw an input for each query; here as many as ``draws`` are drawn when the model is deployed, and a record picks
one by its hash, so that repetitions tell nothing. Every feature is drawn uniformly between its ends among the records: whole
numbers where they are whole, and one of two values, each with probability 1/2, where there are but two, as the authors draw
bits. What HAMP does to training is a learner of its own.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxattack.defences import by_record
from jaxattack.defences.scores import require_all_scores
from jaxattack.types import Access, Answer, Endpoint, InputError, at_least, config


@config
class HAMP:
    """Scores of random inputs in the order of the true ones; needs scores of all classes.

    Attributes:
        draws: random inputs from whose scores a record's are picked, at least 1.

    Raises:
        InputError: no draws.
    """

    paper = "Chen and Pattabiraman 2024, arXiv 2307.01610"
    resolution = 0.0
    fresh = False

    draws: int = 1024

    def __post_init__(self) -> None:
        at_least(1, draws=self.draws)

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`; scores are as fine as those of the random inputs.

        Raises:
            InputError: a regressor, labels alone, or answers of the top k.
        """
        access = require_all_scores(before, "replaced")
        if access.classes == 1:
            raise InputError("the victim has one output, a number, and no classes to be ranked: leave HAMP off.")
        return access

    def fit(self, key: Any, endpoint: Endpoint, y: Any, member: Any) -> Any:  # noqa: ARG002 (it asks of no record)
        """The sorted scores of random inputs, confidences and logits, and the secret of the hash."""
        draw_key, salt_key = jax.random.split(key)
        answer = endpoint.answer(random_inputs(draw_key, endpoint.records(), self.draws))
        return tuple(None if part is None else descending(part) for part in answer[1:]), jax.random.bits(salt_key)

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002 (its draw belongs to the record)
        """As `jaxattack.types.Defence`; the label stays."""
        pools, salt = state
        pick = by_record.uniform(by_record.hashed(x, salt), 1)[:, 0] * self.draws
        row = (self.draws - pick).astype(int).clip(max=self.draws - 1)
        scores = (
            None if part is None else reordered(part, answer.label, pool, row)
            for part, pool in zip(answer[1:], pools, strict=True)
        )
        return Answer(answer.label, *scores)


def descending(scores: Any) -> Any:
    """Each answer's scores, the highest first."""
    xp = scores.__array_namespace__()
    return -xp.sort(-scores, axis=1)


def reordered(scores: Any, label: Any, pool: Any, row: Any) -> Any:
    """Rows of a pool of descending scores, each in the rank order of an answer's own, the label first."""
    xp = scores.__array_namespace__()
    is_label = xp.eye(scores.shape[1], dtype=bool)[label]
    order = xp.argsort(xp.where(is_label, -xp.inf, -scores), axis=1, stable=True)
    picked = xp.asarray(pool)[row].astype(scores.dtype)
    return xp.take_along_axis(picked, xp.argsort(order, axis=1), axis=1)


def random_inputs(key: Any, records: Any, count: int) -> Any:
    """Inputs whose features are uniform between their ends among the records, as the module says: ["count *feature"]."""
    xp = records.__array_namespace__()
    kind = records.dtype if np.issubdtype(records.dtype, np.floating) else np.dtype(np.float32)
    draw = xp.asarray(jax.random.uniform(key, (count, *records.shape[1:]))).astype(kind)
    low, high = records.min(axis=0, keepdims=True), records.max(axis=0, keepdims=True)
    integral = (records == xp.round(records)).all(axis=0, keepdims=True)
    ends = ((records == low) | (records == high)).all(axis=0, keepdims=True)
    least, most = low.astype(kind), high.astype(kind)
    between = xp.where(integral, xp.floor(least + draw * (most - least + 1)), least + draw * (most - least))
    between = xp.minimum(between, most)  # where a sum was rounded up
    return xp.where(ends, xp.where(draw < 0.5, least, most), between).astype(records.dtype)

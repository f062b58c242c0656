"""Why a victim that attacks find robust may not be: what AutoAttack warns of (Croce and Hein 2020).

the same record is answered differently twice                   a random defence: average over its noise before attacking
confidences are given where logits are due                      their gradients vanish where the model is sure
records have no gradient at their start                         a saturated or masked model
attacks that only ask, and go no farther, beat those with weights    a masked model
"""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.evasion.outcome import is_right
from jaxattack.perturb.labels import labels_of
from jaxattack.types import Oracle, WhiteBox

ASKED_TWICE = 32
"""Records, at most, on which a victim is compared with itself."""

SAME = 1e-4
"""Answers that differ by less are the same: AutoAttack's."""

STRONGER = 0.002
"""How much of all records an attack that only asks may gain beyond those with weights: AutoAttack's."""


def right_twice(
    victim: WhiteBox | Oracle, x: Float[np.ndarray, "record *feature"], y: Int[np.ndarray, "record"]
) -> tuple[Bool[np.ndarray, "record"], tuple[str, ...]]:
    """Which records a victim labels as they are, and what is odd about its answers to the first of them."""
    some = x[:ASKED_TWICE]
    if isinstance(victim, WhiteBox):
        first, again = (_logits(victim, some) for _ in range(2))
        return labels_of(victim, x) == y, (*_differing([first], [again]), *_confidences(first))
    full = victim(x)
    first, again = ([part for part in answer if part is not None] for answer in (full, victim(some)))
    return is_right(victim, full, y), tuple(_differing([part[: len(some)] for part in first], again))


def _logits(box: WhiteBox, x: np.ndarray) -> np.ndarray:
    return np.asarray(jax.jit(box.model.apply)(box.variables, x.astype(np.float32)))


def _differing(first: list[np.ndarray], again: list[np.ndarray]) -> Iterator[str]:
    if not all(
        np.allclose(one, other, rtol=SAME, atol=SAME, equal_nan=True) for one, other in zip(first, again, strict=True)
    ):
        yield (
            "the victim answers the same record differently when it is asked again: its noise hides what these attacks would find, "
            "and success counts answers that chance gave."
        )


def _confidences(z: np.ndarray) -> Iterator[str]:
    """Whether logits look like confidences: AutoAttack's test."""
    if z.min() > -1e-5 and z.max() < 1 + 1e-5 and ((z.sum(axis=1) - 1) ** 2).mean() < 0.01:
        yield (
            "what the model gives as logits are numbers from 0 to 1 that sum to 1, as confidences do: their gradients vanish "
            "where it is sure; attack the numbers before the softmax."
        )


def without_gradients(records: int) -> Iterator[str]:
    """Where ascents could not begin at so many records."""
    if records:
        yield (
            f"{records} records have no gradient at their start: the model is saturated in float32 or masks its gradients, and "
            "attacks on weights say too little."
        )


def beaten(gain: int, records: int) -> Iterator[str]:
    """Where attacks that only ask gain so many of the records beyond those with weights, and go no farther."""
    if gain > STRONGER * records:
        yield (
            f"attacks that only ask fooled the victim about {gain} records, no farther away, that attacks with its weights had left: its "
            "gradients are masked; read robust accuracy after more steps, restarts or an adaptive attack."
        )

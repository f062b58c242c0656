"""Whether the logits of fresh prompts lie where a stolen last layer says that all logits lie.

A last layer answers no prompt, but of all logits z["token"] of a prompt, z - offset is a combination of the d columns of
the projection: any d of them, and one where a number a prompt is hidden, give all others. Each other one is a trial. It
disagrees if least squares on the columns leaves more of it than half the digits of the victim's arithmetic, one and a
half steps where answers are rounded, or a few times the resolution that labels were bisected to.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
from jaxtyping import Bool, Shaped

from jaxattack.attacks.extraction.lm_head.bisection import Winning
from jaxattack.attacks.extraction.lm_head.head import Head
from jaxattack.attacks.extraction.lm_head.questions import Questions
from jaxattack.attacks.extraction.lm_head.reading import reader
from jaxattack.attacks.extraction.lm_head.spectrum import remove_shift
from jaxattack.attacks.extraction.verification import EPSILON
from jaxattack.types import Oracle, Trial

PROMPTS = 2
"""Fewest fresh prompts: one alone would be of one kind."""

COARSE = 4.0
"""Resolutions that bisected labels may be off: half of one each, in the fresh logits and in those behind the projection."""

Draw = Callable[[int, np.random.Generator], Shaped[np.ndarray, "prompt *feature"]]
"""So many prompts that were not asked."""


def compared(head: Head, draw: Draw, *, reference: int, shifted: bool, resolution: float) -> Trial:
    """How a stolen last layer is compared with its victim.

    Args:
        head: what was stolen.
        draw: draws prompts.
        reference: a token, as the attack's `reading.reader` had it.
        shifted: whether a number a prompt is hidden.
        resolution: to which labels are bisected.
    """

    def trial(oracle: Oracle, count: int, rng: np.random.Generator) -> Bool[np.ndarray, "trial"]:
        tokens = np.flatnonzero(head.coverage)
        spare = len(tokens) - head.hidden - shifted
        if spare < 1:
            return np.zeros(0, bool)
        access = oracle.access
        read = reader(Questions(oracle), reference, resolution)
        prompts = draw(max(PROMPTS, ceil(count / spare)), rng)
        if not len(prompts):
            return np.zeros(0, bool)
        logit = read(prompts, tokens)
        logit = logit[np.isfinite(logit).all(axis=1)]
        logit = (remove_shift(logit) if shifted else logit) - head.offset[tokens]
        columns = head.projection[tokens]
        left = logit - (columns @ np.linalg.lstsq(columns, logit.T, rcond=None)[0]).T
        allowed = EPSILON[access.precision] ** 0.5 * np.ptp(logit, axis=1, keepdims=True)
        allowed += 0.0 if access.decimals is None else 1.5 * 10.0**-access.decimals
        allowed += COARSE * resolution if isinstance(read, Winning) else 0.0
        return np.sort(np.abs(left) > allowed, axis=1)[:, len(tokens) - spare :].ravel()

    return trial

"""Whether a service is still the victim whose answers a folder keeps: a few of the kept questions, asked again.

What a service computes is not to be seen from here, and another model may answer at the same address. Its answers to a
few questions, spread evenly over all that were kept, are compared with the kept ones:

    the same, within the precision and the decimals of its terms     it is the victim
    others, and the same questions once more give those again        it is another
    others, and once more others yet                                 it answers at random: it is another if the kept answers
                                                                     are more than twice as far away as these from each other

For Gaussian noise of either victim and n scores the second distance is that of a chi with n degrees of freedom, so that with
24 scores (8 answers of 3 classes) the same victim is taken for another about once in a thousand times. Labels of a victim
that adds noise without saying so differ near its boundaries alone, where they may be taken for another's; giving another
folder is all that is lost then. A model that answers all of these questions as the first did is not told from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from jaxattack.oracle.check import LOOSE
from jaxattack.types import Access, Answer

QUESTIONS = 8
"""Asked again when a folder is used again, and once more where their answers differ."""


def spread(counts: Sequence[int], questions: int) -> dict[int, Int[np.ndarray, "row"]]:
    """Questions spread evenly over batches of so many, the first and the last among them: batch -> its rows."""
    total = sum(counts)
    if not total or questions < 1:
        return {}
    rows = np.unique(np.linspace(0, total - 1, min(questions, total)).astype(np.int64))
    if questions == 1:
        rows = np.array([total - 1])
    ends = np.cumsum(counts)
    batch = np.searchsorted(ends, rows, side="right")
    return {int(one): rows[batch == one] - (ends[one] - counts[one]) for one in np.unique(batch)}


def is_another(
    before: Sequence[Answer], now: Sequence[Answer], once_more: Callable[[], Sequence[Answer]], access: Access
) -> bool:
    """Whether answers are another victim's, as the module says.

    Args:
        before: of the first victim.
        now: to the same questions.
        once_more: asks them again.
        access: the terms on which both answer.
    """
    tolerance = 0.0
    if access.level != "label":
        tolerance = LOOSE[access.precision] + (0.0 if access.decimals is None else 10.0**-access.decimals)
    apart = distance(before, now, access)
    return apart > tolerance and apart > tolerance + 2 * distance(now, once_more(), access)


def distance(one: Sequence[Answer], other: Sequence[Answer], access: Access) -> float:
    """How far answers are apart: the share of labels that differ, or the root mean square of scores relative to their size.

    A class below the top k counts as 0.
    """
    squares = [_squares(first, second, access) for first, second in zip(one, other, strict=True)]
    mean = float(np.concatenate(squares).mean())
    return mean if access.level == "label" else mean**0.5


def _squares(first: Answer, second: Answer, access: Access) -> np.ndarray:
    if access.level == "label":
        return (first.label != second.label).astype(float)
    a, b = (np.nan_to_num(np.asarray(getattr(answer, access.level), np.float64)) for answer in (first, second))
    return (((a - b) / np.maximum(1.0, np.abs(a))) ** 2).ravel()

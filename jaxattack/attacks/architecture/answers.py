"""Answers as numbers from which a classifier learns: scores, ranks or labels (Oh et al. 2018, section 4.1).

score   ln p of every class, at least `FLOOR`, less their mean
rank    the place of every class in the order of confidence, -1 for the least likely to 1
label   1 for the answered class, 0 for the others
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.special import softmax
from scipy.stats import rankdata

from jaxattack.types import Answer, InputError

Output = Literal["score", "rank", "label"]

FLOOR = 1e-6
"""The least confidence that is told from 0: float32 answers and services that round to six decimals know no less."""


def features(answer: Answer, output: Output, classes: int) -> Float[np.ndarray, "net feature"]:
    """The answers to all questions, one after another.

    Args:
        answer: of each network; every array leads with the axes ``net query``.
        output: what of the answers is read.
        classes: that there are.

    Raises:
        InputError: labels alone where confidences are read.
    """
    if output == "label":
        values = np.eye(classes, dtype=np.float32)[answer.label]
        return values.reshape(len(values), -1)
    probability = (
        softmax(answer.logit, axis=-1)
        if answer.probability is None and answer.logit is not None
        else answer.probability
    )
    if probability is None:
        raise InputError(f"output is {output!r} and the victim answers with labels alone: give label.")
    probability = np.nan_to_num(probability)
    if output == "rank":
        values = 2 * (rankdata(probability, axis=-1) - 1) / (classes - 1) - 1
    else:
        values = np.log(np.maximum(probability, FLOOR))
        values = values - values.mean(axis=-1, keepdims=True)
    return values.reshape(len(values), -1).astype(np.float32)


def usual_output(level: str) -> Output:
    """The fullest that a level of access gives."""
    return "label" if level == "label" else "score"

"""Defences as wrappers Oracle -> Oracle; they compose, and each says on its ``access`` what it changes.

    rounded(oracle, 3)          confidences and logits to so many decimals
    top_k(oracle, 5)            the 5 highest scores; the others are NaN
    label_only(oracle)          the label alone
    noisy(oracle, 0.01)         Gaussian noise on the scores
    tempered(oracle, 2.0)       softmax(logit / temperature)

The ledger stays that of the victim: bytes are what the victim sent, whatever a wrapper withholds. A bias is handed to
the victim, which adds it before anything else is done to the answer. Labels stay the victim's but where noise moves the
highest score. Noise and temperature come before the top k are picked; nothing can be rounded, picked or blurred where
labels alone are answered. Several threads may ask at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import softmax

from jaxattack.oracle.ledger import Wrapped, digest
from jaxattack.oracle.local import answered
from jaxattack.types import Access, Answer, Bias, InputError, Oracle

Change = Callable[[Float[np.ndarray, "query cls"]], Float[np.ndarray, "query cls"]]


def rounded(oracle: Oracle, decimals: int) -> Oracle:
    """Answer confidences and logits rounded to so many decimals, halves to even, in float64.

    Raises:
        InputError: decimals out of 0 to 17, or labels alone are answered.
    """
    access = replace(_scored(oracle, "rounded"), decimals=decimals)
    if oracle.access.decimals is not None:
        access = replace(access, decimals=min(decimals, oracle.access.decimals))
    change: Change = lambda scores: np.round(scores, decimals)  # noqa: E731 - a name would be called once
    return _Changed(oracle, access, lambda answer: _scores(answer, change), {"decimals": decimals})


def top_k(oracle: Oracle, k: int) -> Oracle:
    """Answer the k highest scores of a query, the lower class first where they tie; the others are NaN.

    Raises:
        InputError: k out of 1 to classes, or labels alone are answered.
    """
    access = _scored(oracle, "picked")
    if not 1 <= k <= access.classes:
        raise InputError(f"k is {k} and there are {access.classes} classes: give 1 to {access.classes}.")
    access = replace(access, top=min(k, access.top or k))
    return _Changed(oracle, access, lambda answer: _scores(answer, lambda scores: highest(scores, k)), {"top": k})


def highest(scores: Float[np.ndarray, "query cls"], k: int) -> Float[np.ndarray, "query cls"]:
    """The k highest scores of each query, the lower class first where they tie; NaN in place of the others."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    least = np.partition(known, known.shape[1] - k, axis=1)[:, -k, np.newaxis]
    above, tied = known > least, known == least
    room = k - above.sum(axis=1, keepdims=True)
    return np.where(above | (tied & (tied.cumsum(axis=1) <= room)), scores, np.nan)


def label_only(oracle: Oracle) -> Oracle:
    """Answer the label alone.

    Raises:
        InputError: a regressor, which has no labels.
    """
    if oracle.access.classes == 1:
        raise InputError("the victim has one output, a number, and no labels: leave label_only off.")
    access = replace(oracle.access, level="label", top=0, decimals=None)
    return _Changed(oracle, access, lambda answer: Answer(answer.label), {"level": "label"})


def tempered(oracle: Oracle, temperature: float) -> Oracle:
    """Answer softmax(logit / temperature) of every query, which is p^(1 / temperature) scaled to sum to 1, or those logits.

    Raises:
        InputError: a temperature not above 0, a regressor, labels alone, or answers of the top k.
    """
    access = _whole(oracle, "tempered")
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature is {temperature}: give a number above 0.")
    if access.classes == 1:
        raise InputError("the victim has one output, a number, and no confidences: leave the temperature off.")

    def change(answer: Answer) -> Answer:
        probability, logit = answer.probability, answer.logit
        if probability is not None:
            with np.errstate(divide="ignore"):
                probability = softmax(np.log(probability) / temperature, axis=1)
        return Answer(answer.label, probability, None if logit is None else logit / temperature)

    return _Changed(oracle, replace(access, decimals=None), change, {"temperature": temperature})


def noisy(oracle: Oracle, scale: float, seed: int = 0) -> Oracle:
    """Answer with Gaussian noise on every logit or confidence; confidences are cut at 0 and scaled to sum to 1 again.

    The label is the argmax of the noisy scores. A record asked again is answered with other noise. The noise is drawn
    from the seed, the number of the call in this process and the batch: the same calls in the same order get the same
    answers, and a process that goes on from a journal draws other noise for other batches. For a batch that an earlier
    process asked too, it may draw the noise of then; give it another seed where an attack averages over repetitions.

    Args:
        oracle: what is asked.
        scale: the standard deviation.
        seed: decides the noise.

    Raises:
        InputError: a scale not above 0, a seed below 0, labels alone, or answers of the top k.
    """
    access = _whole(oracle, "made noisy")
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"scale is {scale}: give a standard deviation above 0.")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more.")
    return _Noisy(oracle, replace(access, decimals=None), scale, seed)


class _Changed(Wrapped):
    def __init__(self, oracle: Oracle, access: Access, change: Callable[[Answer], Answer], defence: Mapping[str, Any]):
        super().__init__(oracle, access, defence)
        self._change = change

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        return self._change(self._oracle(x, bias))


class _Noisy(Wrapped):
    def __init__(self, oracle: Oracle, access: Access, scale: float, seed: int):
        super().__init__(oracle, access, {"noise": scale, "seed": seed})
        self._scale, self._seed, self._calls = scale, seed, itertools.count()

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        answer = self._oracle(x, bias)
        rng = np.random.default_rng([self._seed, next(self._calls), int.from_bytes(digest(np.asarray(x), bias))])
        noisy = _scores(answer, lambda scores: scores + self._scale * rng.standard_normal(scores.shape))
        if noisy.logit is not None:  # confidences given beside logits would not follow their noise
            return answered(noisy.logit, "logit")
        assert noisy.probability is not None
        label = noisy.probability.argmax(1).astype(np.int64)
        cut = noisy.probability.clip(min=0.0)
        nothing_left = np.flatnonzero(cut.sum(1) == 0)
        cut[nothing_left, label[nothing_left]] = 1.0
        return Answer(label, cut / cut.sum(1, keepdims=True))


def _scored(oracle: Oracle, done: str) -> Access:
    if oracle.access.level == "label":
        raise InputError(f"the victim answers with labels alone: there are no scores to be {done}.")
    return oracle.access


def _whole(oracle: Oracle, done: str) -> Access:
    access = _scored(oracle, done)
    if access.top:
        raise InputError(f"the victim answers the top {access.top} classes: scores are {done} before they are picked.")
    return access


def _scores(answer: Answer, change: Change) -> Answer:
    probability, logit = answer.probability, answer.logit
    return Answer(
        answer.label,
        None if probability is None else change(np.asarray(probability, np.float64)),
        None if logit is None else change(np.asarray(logit, np.float64)),
    )

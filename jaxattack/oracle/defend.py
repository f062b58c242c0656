"""Defences as wrappers Oracle -> Oracle; they compose, and each says on its ``access`` what it changes.

    rounded(oracle, 3)          confidences and logits to so many decimals
    top_k(oracle, 5)            the 5 highest scores; the others are NaN
    label_only(oracle)          the label alone
    noisy(oracle, 0.01)         Gaussian noise on the scores
    tempered(oracle, 2.0)       softmax(logit / temperature)
    defended(oracle, value)     any of `jaxattack.defences`

What they do to an answer is the values' (`jaxattack.defences`), which sweeps use too; scores are changed in float64. The
ledger stays that of the victim: bytes are what the victim sent, whatever a wrapper withholds. A bias is handed to
the victim, which adds it before anything else is done to the answer. Labels stay the victim's but where noise moves the
highest score. Noise and temperature come before the top k are picked; nothing can be rounded, picked or blurred where
labels alone are answered. Several threads may ask at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Shaped

from jaxattack.defences import LabelOnly, Noise, Round, Temperature, TopK, describe, require_repetition
from jaxattack.defences.asking import answer_to
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.ledger import Meter, OracleWrapper, allowed, digest
from jaxattack.types import Answer, AskingDefence, Bias, Defence, InputError, Ledger, Oracle


def defended(oracle: Oracle, defence: Defence, *, state: Any = (), seed: int = 0) -> Oracle:
    """Answer behind a defence.

    What is drawn afresh is drawn from the seed, the number of the call in this process, the batch, and how many defences
    beneath draw afresh too: the same calls in the same order get the same answers, a process that goes on from a journal draws
    otherwise for other batches, and two defences of one seed draw each their own.

    Args:
        oracle: what is asked.
        defence: what changes its answers.
        state: what the defence has learnt of this victim (`Defence.fit`); () for those that learn nothing.
        seed: decides what it draws.

    Raises:
        InputError: the defence can do nothing with such answers, or a seed below 0.
    """
    return _Defended(oracle, defence, state, seed, describe(defence) | {"state": fingerprint_of(state), "seed": seed})


def rounded(oracle: Oracle, decimals: int) -> Oracle:
    """Answer confidences and logits rounded to so many decimals, halves to even, in float64.

    Raises:
        InputError: decimals out of 0 to 17, or labels alone are answered.

    Example:
        >>> terms = ja.Access(level="logit", classes=2, inputs=ja.Inputs.box(-1, 1, (2,)))
        >>> coarse = rounded(ja.oracle.from_function(lambda x: x, terms), 1)
        >>> coarse(np.asarray([[0.26, -0.11]])).logit.tolist()
        [[0.3, -0.1]]
    """
    return _Defended(oracle, Round(decimals=decimals), (), 0, {"decimals": decimals})


def top_k(oracle: Oracle, k: int) -> Oracle:
    """Answer the k highest scores of a query, where they tie its label's first and then the lower class; the others are NaN.

    Raises:
        InputError: k out of 1 to classes, or labels alone are answered.

    Example:
        >>> terms = ja.Access(level="probability", classes=3, inputs=ja.Inputs.box(0, 1, (3,)))
        >>> two = top_k(ja.oracle.from_function(lambda x: x, terms), 2)
        >>> two(np.asarray([[0.2, 0.5, 0.3]])).probability.tolist()
        [[nan, 0.5, 0.3]]
    """
    return _Defended(oracle, TopK(k=k), (), 0, {"top": k})


def label_only(oracle: Oracle) -> Oracle:
    """Answer the label alone.

    Raises:
        InputError: a regressor, which has no labels.

    Example:
        >>> terms = ja.Access(level="probability", classes=3, inputs=ja.Inputs.box(0, 1, (3,)))
        >>> answer = label_only(ja.oracle.from_function(lambda x: x, terms))(np.asarray([[0.2, 0.5, 0.3]]))
        >>> answer.label.tolist(), answer.probability
        ([1], None)
    """
    return _Defended(oracle, LabelOnly(), (), 0, {"level": "label"})


def tempered(oracle: Oracle, temperature: float) -> Oracle:
    """Answer softmax(logit / temperature) of every query, which is p^(1 / temperature) scaled to sum to 1, or those logits.

    Raises:
        InputError: a temperature not above 0, a regressor, labels alone, or answers of the top k.
    """
    return _Defended(oracle, Temperature(temperature=temperature), (), 0, {"temperature": temperature})


def noisy(oracle: Oracle, scale: float, seed: int = 0) -> Oracle:
    """Answer with Gaussian noise on every logit or confidence; confidences are cut at 0 and scaled to sum to 1 again.

    The label is the argmax of the noisy scores. A record asked again is answered with other noise, drawn as `defended`
    says. For a batch that an earlier process asked too, it may draw the noise of then; give it another seed where an attack
    averages over repetitions.

    Args:
        oracle: what is asked.
        scale: the standard deviation.
        seed: decides the noise.

    Raises:
        InputError: a scale not above 0, a seed below 0, labels alone, or answers of the top k.
    """
    return _Defended(oracle, Noise(scale=scale), (), seed, {"noise": scale, "seed": seed})


class _Defended(OracleWrapper):
    def __init__(self, oracle: Oracle, defence: Defence, state: Any, seed: int, identity: Mapping[str, Any]):
        super().__init__(oracle, defence.access(oracle.access), identity)
        if seed < 0:
            raise InputError(f"seed is {seed}: give 0 or more.")
        self._value, self._state, self._seed, self._calls = defence, state, seed, itertools.count()
        self._beside = Meter()
        self._place = _fresh(oracle)
        require_repetition(defence, fresh=self._place > 0)

    @property
    def ledger(self) -> Ledger:
        """What has been asked of it: what a defence asks beside the queries is its owner's to pay."""
        within, beside = self._oracle.ledger, self._beside.ledger.queries
        if not beside:
            return within
        queries = within.queries - beside
        return replace(within, queries=queries, price=within.price * queries / within.queries)

    @property
    def asked_here(self) -> int | None:
        """Queries on the ledger that were asked in this thread; None where nothing within tells."""
        within = super().asked_here
        return None if within is None else within - self._beside.here

    def due(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> int:
        """All of a batch where other questions are asked in its place."""
        return len(x) if isinstance(self._value, AskingDefence) else super().due(x, bias)

    def __call__(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None = None) -> Answer:
        x = allowed(self.access, x, bias)
        answer = answer_to(self._value, self._state, partial(self._ask, len(x), bias), x)
        rng = self._generator(x, bias) if self._value.fresh else None
        changed = self._value.answer(self._state, answer, x, rng)
        scores = (None if part is None else np.asarray(part) for part in changed[1:])
        return Answer(np.asarray(changed.label), *scores)

    def _ask(self, queries: int, bias: Bias | None, questions: Shaped[np.ndarray, "question *feature"]) -> Answer:
        views = len(questions) // max(queries, 1)
        if bias is not None and views > 1:
            bias = Bias(*(np.tile(part, (views, 1)) for part in bias))
        before = self._counted()
        try:
            answer = self._oracle(questions, bias)
        finally:
            counted = self._counted() - before
            if views > 1:  # a call that failed may have been asked in part
                self._beside.add(Ledger(queries=counted - -(-counted // views)))
        return Answer(answer.label, *(None if part is None else np.asarray(part, np.float64) for part in answer[1:]))

    def _counted(self) -> int:
        here = super().asked_here
        return self._oracle.ledger.queries if here is None else here

    def _generator(self, x: Shaped[np.ndarray, "query *feature"], bias: Bias | None) -> np.random.Generator:
        place = [self._place] if self._place else []
        return np.random.default_rng(
            [self._seed, next(self._calls), int.from_bytes(digest(np.asarray(x), bias)), *place]
        )


def _fresh(oracle: Oracle) -> int:
    """How many defences draw afresh in this oracle and beneath it."""
    count = 0
    while isinstance(oracle, OracleWrapper):
        count += isinstance(oracle, _Defended) and oracle._value.fresh
        oracle = oracle._oracle
    return count

"""Logits of chosen tokens, read through three kinds of answers (Carlini et al. 2024, sections 4 to 6).

    =====  ===========================  ===========================  ==========================  =================
    kind   answers                      queries a prompt, V tokens   known up to                 error
    =====  ===========================  ===========================  ==========================  =================
    all    all logits                   1                            nothing                     the victim's
    all    all probabilities            1                            a number a prompt           the victim's
    top    k most likely, and a bias    V / (k - 1)                  a number a prompt           the victim's
    first  most likely one, and a bias  1 + V (1 + .3 log2(L / e))   a number a prompt           e / 2
    =====  ===========================  ===========================  ==========================  =================

Top: k - 1 tokens and a reference token are raised by one bias, the lift, into the k most likely; the difference of
log-probabilities to the reference's is the difference of logits, whatever the lift. The lift L starts low, because a
large one costs digits where the victim computes in float32, and doubles where a token stays out.

First: see `bisection`; e is the resolution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.extraction.asking import ask_most
from jaxattack.attacks.extraction.lm_head.bisection import BITS, GROUP, bisect_labels
from jaxattack.attacks.extraction.verification import TINY
from jaxattack.types import Access, Answer, Bias, BudgetSpent, InputError, Oracle, OracleError

LIFT = 16.0
"""The first bias. Of 48 heads read by their k most likely tokens and 12 by labels all are stolen with half and twice: half tells .08 of a digit
more of the 48, twice .14 less; half takes 2% fewer queries of the 12 and twice 3% more."""

NUMBERS = 1 << 25
"""Numbers in the queries or in the answers of one call: 256 MiB."""

Prompts = Shaped[np.ndarray, "prompt *feature"]
Tokens = Int[np.ndarray, "token"]
Logits = Float[np.ndarray, "prompt token"]


def kind(access: Access) -> Literal["all", "top", "first"]:
    """Which row of the table answers belong to."""
    if access.level != "label" and access.top in (0, access.classes):
        return "all"
    return "top" if access.level != "label" and access.top > 1 else "first"


def price(access: Access, tokens: int, resolution: float) -> int:
    """About how many queries read so many tokens of one prompt, at the first lift."""
    if kind(access) == "all":
        return 1
    if kind(access) == "top":
        return math.ceil(tokens / (access.top - 1))
    bits = math.log2(max(1.0, min(LIFT, access.bias) / resolution))
    return 1 + math.ceil(tokens * (1 + bits / BITS))


@dataclass
class Reader:
    """Reads logits of a victim until its budget ends.

    Attributes:
        oracle: the victim.
        reference: the token whose logit others are differences to, of the kind "top".
        resolution: to which labels are bisected, at least 1e-12.
        refusal: how the budget ended, once it has.
        shifted: whether logits are known up to a number a prompt.

    Raises:
        InputError: the victim withholds logits and takes no bias.
    """

    oracle: Oracle
    reference: int
    resolution: float
    refusal: BudgetSpent | None = None

    def __post_init__(self) -> None:
        access = self.oracle.access
        if kind(access) != "all" and not access.bias:
            level = "its labels" if access.level == "label" else f"its {access.top} most likely classes"
            raise InputError(
                f"lm-head cannot read all logits: the victim answers with {level} alone and takes no bias."
            )
        self.shifted = access.level != "logit" or kind(access) != "all"
        self._lift = min(LIFT, access.bias)
        self._rows = max(1, NUMBERS // access.classes)

    def __call__(self, prompts: Prompts, tokens: Tokens) -> Logits:
        """Logits, up to a number a prompt that is the same at every call.

        NaN is what was not learnt: the budget ended, or the largest bias allowed does not raise the token.
        """
        read = {"all": self._all, "top": self._top, "first": self._first}[kind(self.oracle.access)]
        return read(prompts, tokens)

    def centre(self, logit: Logits) -> Logits:
        """Logits without the number a prompt, where there is one: with a mean over tokens of 0."""
        return logit - logit.mean(axis=1, keepdims=True) if self.shifted and logit.size else logit

    def _all(self, prompts: Prompts, tokens: Tokens) -> Logits:
        logit = np.full((len(prompts), len(tokens)), np.nan)
        for at in range(0, len(prompts), self._rows):
            answer = self._ask(prompts[at : at + self._rows])
            if answer is None:
                break
            logit[at : at + len(answer.label)] = self._score(answer)[:, tokens]
        return logit

    def _top(self, prompts: Prompts, tokens: Tokens) -> Logits:
        group, limit = self.oracle.access.top - 1, self.oracle.access.bias
        count = -(-len(tokens) // group)
        raised = np.resize(tokens, (count, group))  # the last group is filled from the first
        raised = np.pad(raised, ((0, 0), (1, 0)), constant_values=self.reference)
        logit = np.full((len(prompts) * count, group), np.nan)
        waiting = np.arange(len(logit))
        while len(waiting):
            for pair in np.split(waiting, range(self._rows, len(waiting), self._rows)):
                token = raised[pair % count]
                answer = self._ask(prompts[pair // count], Bias(token, np.full(token.shape, self._lift)))
                if answer is not None:
                    score = self._score(answer, token[: len(answer.label)])
                    logit[pair[: len(score)]] = score[:, 1:] - score[:, :1]
            waiting = waiting[np.isnan(logit[waiting]).any(axis=1)]
            if self.refusal is not None or self._lift == limit:
                break
            self._lift = min(2 * self._lift, limit) if len(waiting) else self._lift
        logit = logit.reshape(len(prompts), -1)[:, : len(tokens)]
        logit[:, tokens == self.reference] = 0.0
        return logit

    def _first(self, prompts: Prompts, tokens: Tokens) -> Logits:
        logit = np.full((len(prompts), len(tokens)), np.nan)
        rows = max(1, NUMBERS // (len(tokens) * (math.prod(prompts.shape[1:]) + 2 * GROUP)))
        for at in range(0, len(prompts) if self.refusal is None else 0, rows):
            try:
                some = bisect_labels(self.oracle, prompts[at : at + rows], tokens, self.resolution, LIFT)
            except BudgetSpent as refusal:
                self.refusal = refusal
                break
            logit[at : at + rows] = some
        return logit

    def _ask(self, x: np.ndarray, bias: Bias | None = None) -> Answer | None:
        """The answers to as many of the first queries as are left; None where that is none."""
        if self.refusal is not None:
            return None

        def ask(some: np.ndarray) -> Answer:
            return self.oracle(some, bias and Bias(bias.token[: len(some)], bias.value[: len(some)]))

        answer, _, self.refusal = ask_most(ask, x)
        return answer

    def _score(self, answer: Answer, token: Int[np.ndarray, "query token"] | None = None) -> Logits:
        """Logits or log-probabilities of all tokens or of each query's; NaN where withheld, or too small for all digits."""
        value = answer.probability if answer.logit is None else answer.logit
        if value is None:
            raise OracleError(f"the victim answers with labels alone and its level is {self.oracle.access.level!r}.")
        value = (value if token is None else np.take_along_axis(value, token, axis=1)).astype(np.float64)
        if answer.logit is not None:
            return value
        return np.log(np.where(value >= TINY[self.oracle.access.precision], value, np.nan))

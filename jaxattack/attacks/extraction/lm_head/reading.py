"""Logits of chosen tokens, read through three kinds of answers (Carlini et al. 2024, sections 4 to 6).

    ===========================  ===========================  ==========================  =================
    answers                      queries a prompt, V tokens   known up to                 error
    ===========================  ===========================  ==========================  =================
    all logits                   1                            nothing                     the victim's
    all probabilities            1                            a number a prompt           the victim's
    k most likely, and a bias    V / (k - 1)                  a number a prompt           the victim's
    most likely one, and a bias  1 + V (1 + log2(L / e) / 3)  a number a prompt           e / 2
    ===========================  ===========================  ==========================  =================

Top k: k - 1 tokens and a reference token are raised by one bias, the lift, into the k most likely; the difference of
log-probabilities to the reference's is the difference of logits, whatever the lift. The lift L starts low, because a
large one costs digits where the victim computes in float32, and doubles where a token stays out.

Label: see `bisection`; e is the resolution.

A reader gives NaN for what it could not learn: the budget ended, or the largest bias allowed does not raise the token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Int

from jaxattack.attacks.extraction.lm_head.bisection import BITS, Winning
from jaxattack.attacks.extraction.lm_head.questions import NUMBERS, Logits, Prompts, Questions, Tokens
from jaxattack.types import Access, Bias, InputError

LIFT = 16.0


class Reader(Protocol):
    """Reads logits.

    Attributes:
        complete: whether the answer to a prompt holds all tokens.
        block: how many tokens to read together, so that calls are full and a prompt's follow one another.
    """

    @property
    def complete(self) -> bool: ...

    @property
    def block(self) -> int: ...

    def __call__(self, prompts: Prompts, tokens: Tokens) -> Logits:
        """Logits, up to a number a prompt that is the same at every call; NaN where nothing was learnt."""
        ...


@dataclass
class AllTokens:
    """All tokens at once."""

    questions: Questions
    complete = True

    @property
    def block(self) -> int:
        """All tokens."""
        return self.questions.oracle.access.classes

    def __call__(self, prompts: Prompts, tokens: Tokens) -> Logits:
        """As `Reader`; prompts that the budget does not reach are NaN."""
        logit = np.full((len(prompts), len(tokens)), np.nan)
        rows = max(1, NUMBERS // self.questions.oracle.access.classes)
        for at in range(0, len(prompts), rows):
            answer = self.questions(prompts[at : at + rows])
            if answer is None:
                break
            logit[at : at + len(answer.label)] = self.questions.score(answer)[:, tokens]
        return logit


@dataclass
class Leading:
    """The most likely tokens, and a bias."""

    questions: Questions
    reference: int
    lift: float = field(init=False)
    complete = False

    def __post_init__(self) -> None:
        self.lift = min(LIFT, self.questions.oracle.access.bias)

    @property
    def block(self) -> int:
        """As many as one prompt has in a call."""
        access = self.questions.oracle.access
        return max(1, NUMBERS // access.classes) * (access.top - 1)

    def __call__(self, prompts: Prompts, tokens: Tokens) -> Logits:
        """As `Reader`; the logits are those above the reference's."""
        access = self.questions.oracle.access
        group, rows = access.top - 1, max(1, NUMBERS // access.classes)
        groups = -(-len(tokens) // group)
        raised = np.resize(tokens, groups * group).reshape(groups, group)  # the last group is filled from the first
        logit = np.full((len(prompts) * groups, group), np.nan)
        for at in range(0, len(logit), rows):
            pair = np.arange(at, min(at + rows, len(logit)))
            logit[pair] = self._above(prompts[pair // groups], raised[pair % groups])
        logit = logit.reshape(len(prompts), -1)[:, : len(tokens)]
        logit[:, tokens == self.reference] = 0.0
        return logit

    def _above(self, x: Prompts, raised: Int[np.ndarray, "prompt token"]) -> Logits:
        token = np.concatenate([np.full((len(x), 1), self.reference), raised], axis=1)
        logit = np.full(raised.shape, np.nan)
        waiting, limit = np.arange(len(x)), self.questions.oracle.access.bias
        while len(waiting):
            bias = Bias(token[waiting], np.full((len(waiting), token.shape[1]), self.lift))
            answer = self.questions(x[waiting], bias)
            if answer is None:
                break
            score = self.questions.score(answer, token[waiting[: len(answer.label)]])
            logit[waiting[: len(score)]] = score[:, 1:] - score[:, :1]
            waiting = waiting[np.isnan(logit[waiting]).any(axis=1)]
            if self.lift == limit:
                break
            self.lift = min(2 * self.lift, limit) if len(waiting) else self.lift
        return logit


def reader(questions: Questions, reference: int, resolution: float) -> Reader:
    """The cheapest way to read what a victim answers.

    Raises:
        InputError: it withholds logits and takes no bias.
    """
    access = questions.oracle.access
    if answers_all(access):
        return AllTokens(questions)
    if not access.bias:
        level = "its labels" if access.level == "label" else f"its {access.top} most likely classes"
        raise InputError(f"lm-head cannot read all logits: the victim answers with {level} alone and takes no bias.")
    return Leading(questions, reference) if _leads(access) else Winning(questions, resolution, LIFT)


def answers_all(access: Access) -> bool:
    """Whether one answer holds all tokens."""
    return access.level != "label" and access.top in (0, access.classes)


def price(access: Access, tokens: int, resolution: float) -> int:
    """About how many queries read so many tokens of one prompt, at the first lift."""
    if answers_all(access):
        return 1
    if _leads(access):
        return math.ceil(tokens / (access.top - 1))
    bits = math.log2(max(1.0, min(LIFT, access.bias) / resolution))
    return 1 + math.ceil(tokens * (1 + bits / BITS))


def _leads(access: Access) -> bool:
    return access.level != "label" and access.top > 1

"""Logits from the most likely token alone, by a bias (Carlini et al. 2024, section 6).

The least bias x that makes a token the most likely one is how far its logit is below the largest. After one query that
shows that the lift is enough, intervals [low, high] of x are narrowed to the resolution for all prompts and tokens in
lockstep. A query raises m tokens of a prompt at once, each by c = low + (high - low) / (m + 1), so that all outcomes are
about as likely: if none of them wins, x > c for all; if token i wins, x_i <= c_i, and x_j >= c_j - (c_i - low_i) for
the others. That is some 3 bits a query where one token at a time gives 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.attacks.extraction.lm_head.questions import NUMBERS, Logits, Prompts, Questions, Tokens
from jaxattack.types import Bias

BLOCK, LONG = 1 << 11, 1 << 7
"""Tokens that are bisected together, and the least numbers that a query of theirs counts for in `NUMBERS`."""
GROUP, BITS = 16, 2.5
"""Tokens raised by one query, and what its answer tells of their logits, measured on random heads (2.7 to 3.1)."""


@dataclass
class Winning:
    """The most likely token alone, and a bias.

    Attributes:
        questions: asks the victim.
        resolution: how wide an interval may stay, at least 1e-12.
        lift: the first bias tried.
    """

    questions: Questions
    resolution: float
    lift: float
    complete = False

    @property
    def block(self) -> int:
        """As many as are bisected together of a hundred prompts or so."""
        return BLOCK

    def __call__(self, prompts: Prompts, tokens: Tokens) -> Logits:
        """As `Reader`; the logits are those above the largest."""
        rows = max(1, NUMBERS // (len(tokens) * max(math.prod(prompts.shape[1:]), LONG)))
        return np.concatenate([self._bisect(prompts[at : at + rows], tokens) for at in range(0, len(prompts), rows)])

    def _bisect(self, prompts: Prompts, tokens: Tokens) -> Logits:
        leader = self.questions(prompts, part=False)
        low, high = self._bracket(np.repeat(prompts, len(tokens), axis=0), np.tile(tokens, len(prompts)))
        low, high = low.reshape(len(prompts), -1), high.reshape(len(prompts), -1)
        if leader is not None:
            high[leader.label[:, np.newaxis] == tokens] = 0.0
        while self.questions.refusal is None:
            prompt, place, own = groups(high - low, self.resolution)
            if not len(prompt):
                return -(low + high) / 2
            at = (prompt[:, np.newaxis], place)
            value = low[at] + (high[at] - low[at]) / (1 + own.sum(axis=1, keepdims=True))
            answer = self.questions(prompts[prompt], Bias(tokens[place], value), part=False)
            if answer is not None:
                won = (tokens[place] == answer.label[:, np.newaxis]) & own
                _narrow(low, high, prompt, place, own, value, won)
        return np.full((len(prompts), len(tokens)), np.nan)

    def _bracket(self, x: Prompts, token: Tokens) -> tuple[Float[np.ndarray, "pair"], Float[np.ndarray, "pair"]]:
        """Biases that do not and that do make a token the most likely; NaN where the largest allowed does not."""
        limit = self.questions.oracle.access.bias
        low, high = np.zeros(len(x)), np.full(len(x), min(self.lift, limit))
        waiting = np.arange(len(x))
        while len(waiting):
            won = self._wins(x[waiting], token[waiting], high[waiting])
            if won is None:
                break
            waiting = waiting[~won]
            low[waiting] = np.where(high[waiting] < limit, high[waiting], np.nan)
            high[waiting] = np.minimum(2 * high[waiting], limit)
            waiting = waiting[~np.isnan(low[waiting])]
        return low, high

    def _wins(self, x: Prompts, token: Tokens, value: Float[np.ndarray, "pair"]) -> np.ndarray | None:
        answer = self.questions(x, Bias(token[:, np.newaxis], value[:, np.newaxis]), part=False)
        return None if answer is None else answer.label == token


def groups(
    width: Float[np.ndarray, "prompt token"], resolution: float
) -> tuple[Int[np.ndarray, "query"], Int[np.ndarray, "query entry"], Bool[np.ndarray, "query entry"]]:
    """Put tokens whose intervals are too wide into groups of a prompt's, wide ones and narrow ones in each.

    Args:
        width: of the intervals; NaN for those that are given up.
        resolution: how wide is narrow enough.

    Returns:
        The prompt of each group; the places of its tokens; and which of these are its own: a group that is not full
        repeats its first.
    """
    wide = width > resolution
    count = wide.sum(axis=1)
    many = -(-count // GROUP)
    order = np.argsort(-np.where(wide, width, 0.0), axis=1, kind="stable")
    prompt, rank = np.nonzero(np.arange(width.shape[1]) < count[:, np.newaxis])
    query, entry = (np.cumsum(many) - many)[prompt] + rank % many[prompt], rank // many[prompt]
    place, own = np.zeros((many.sum(), GROUP), np.int64), np.zeros((many.sum(), GROUP), bool)
    place[query, entry], own[query, entry] = order[prompt, rank], True
    return np.repeat(np.arange(len(width)), many), np.where(own, place, place[:, :1]), own


def _narrow(
    low: Logits,
    high: Logits,
    prompt: Int[np.ndarray, "query"],
    place: Int[np.ndarray, "query entry"],
    own: Bool[np.ndarray, "query entry"],
    value: Float[np.ndarray, "query entry"],
    won: Bool[np.ndarray, "query entry"],
) -> None:
    """Narrow the intervals, in place, by what the module says of an answer."""
    prompt = np.broadcast_to(prompt[:, np.newaxis], place.shape)
    before = low[prompt, place]
    spare = np.where(won, value - before, 0.0).sum(axis=1, keepdims=True)
    above = np.where(won, before, np.maximum(before, value - spare))
    low[prompt[own], place[own]] = above[own]
    high[prompt[won], place[won]] = value[won]

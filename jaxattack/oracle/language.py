"""A language model seen through its last layer: logits[query, cls] = W g(prompt) + offset, classes being tokens.

A service of this kind answers with the logits or probabilities of all tokens, with those of the k most likely (NaN for
the others), or with the most likely token alone; it may let callers add a bias to the logits of chosen tokens first.
Carlini et al. 2024 (Stealing part of a production language model) name these interfaces.

What a query gets, z being logits + bias:

    ===========  =====  ===========================================================
    level        top    answer
    ===========  =====  ===========================================================
    logit        0, k   z, of all tokens or of the k largest
    probability  0, k   softmax over all tokens, of all or of the k largest
    label        -      argmax z
    ===========  =====  ===========================================================

Equal logits are ordered by token. States and W are cast to the precision; bfloat16 logits are sums in float32 that are
rounded to bfloat16. The bias and the softmax are computed in float64 or float32, so a large bias costs digits of the
logits that it is added to, as in a real service.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.oracle.identity import fingerprint_of, probes
from jaxattack.oracle.ledger import PRICE, CountingOracle
from jaxattack.oracle.local import NUMBERS, answer_from_logits
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, Level, OracleError, Precision

BYTES = 256

States = Callable[[Shaped[np.ndarray, "query *feature"]], Float[np.ndarray, "query hidden"]]
"""The hidden states that a language model computes from prompts."""


def from_head(
    states: States,
    projection: Float[np.ndarray, "cls hidden"],
    *,
    inputs: Inputs,
    offset: Float[np.ndarray, "cls"] | None = None,
    level: Level = "logit",
    top: int = 0,
    bias: float = 0.0,
    precision: Precision = "float32",
    price: float = PRICE,
) -> CountingOracle:
    """A language model as a victim.

    Args:
        states: hidden states of prompts; each distinct prompt of a batch is computed once.
        projection: W.
        inputs: the prompts that it takes.
        offset: added to the logits; none by default.
        level: label, probability or logit.
        top: only the so many most likely tokens are answered; 0 for all.
        bias: the largest bias that a caller may add to a logit; 0 for none.
        precision: of the last layer.
        price: of a query, in dollars.

    Raises:
        InputError: an offset of another length, or a value out of range.
    """
    classes = len(projection)
    if offset is not None and offset.shape != (classes,):
        raise InputError(f"offset has shape {offset.shape} and there are {classes} tokens: give one number for each.")
    access = Access(level=level, classes=classes, inputs=inputs, top=top, precision=precision, bias=bias)
    weight = _cast(projection.T, precision)
    added = None if offset is None else _cast(offset, precision)

    def ask(x: np.ndarray, bias: Bias | None) -> Answer:
        prompts, prompt = np.unique(x, axis=0, return_inverse=True)
        logit = _cast(states(prompts), precision) @ weight
        if added is not None:
            logit = logit + added
        logit = _cast(logit, precision)
        if not np.isfinite(logit).all():
            raise OracleError("the language model computes NaN or infinity for these prompts: it cannot be believed.")
        if level != "label" and not top:
            return answer_from_logits(logit[prompt], level, bias)
        token, value = _largest(logit, prompt, bias, top or 1)
        label = token[:, 0].astype(np.int64)
        if level == "label":
            return Answer(label)
        if level == "probability":
            value = np.exp(value - _log_sum(logit, prompt, bias)[:, np.newaxis])
        scores = np.full((len(x), classes), np.nan, logit.dtype)
        np.put_along_axis(scores, token, value, axis=1)
        return Answer(label, scores if level == "probability" else None, scores if level == "logit" else None)

    def content() -> dict[str, str]:
        return {"parameters": fingerprint_of([projection, offset, states(probes(inputs))])}

    return CountingOracle(ask, access, price, content)


def random_head(
    vocabulary: int = 32_000, hidden: int = 512, *, length: int = 8, seed: int = 0
) -> tuple[States, Float[np.ndarray, "cls hidden"], Inputs]:
    """A random last layer over a random network of prompts, to be given to `from_head`.

    Args:
        vocabulary: how many tokens it answers with.
        hidden: the hidden size.
        length: of a prompt, in bytes.
        seed: decides every weight.

    Returns:
        The hidden states of a prompt: tanh of a sum of one random embedding a byte and position, of variance about 1;
        W, of entries N(0, 1/hidden), so that logits have variance about 1; and the prompts that it takes.
    """
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((length, BYTES, hidden)) * (2 / np.sqrt(length))
    projection = rng.standard_normal((vocabulary, hidden)) / np.sqrt(hidden)

    def states(x: np.ndarray) -> np.ndarray:
        return np.tanh(embedding[np.arange(length), x.astype(np.int64)].sum(axis=1)) * np.sqrt(5 / 3)

    inputs = Inputs(low=np.zeros(length), high=np.full(length, BYTES - 1.0), categories=np.full(length, BYTES))
    return states, projection, inputs


def _cast(array: np.ndarray, precision: Precision) -> np.ndarray:
    if precision == "bfloat16":
        return array.astype(jnp.bfloat16).astype(np.float32)
    return array.astype(precision)


def _largest(
    logit: Float[np.ndarray, "prompt cls"], prompt: Int[np.ndarray, "query"], bias: Bias | None, count: int
) -> tuple[Int[np.ndarray, "query count"], Float[np.ndarray, "query count"]]:
    """The tokens of the largest logit + bias, in falling order.

    They are among the biased ones and as many leaders of the unbiased ones as are left when all biased ones are struck
    out, so no dense array is made of a batch.
    """
    if bias is None:
        bias = Bias(np.zeros((len(prompt), 0), np.int64), np.zeros((len(prompt), 0)))
    entries = bias.token.shape[1]
    token = np.concatenate(
        [bias.token.astype(np.int64), _leaders(logit, min(count + entries, logit.shape[1]))[prompt]], axis=1
    )
    value = logit[prompt[:, np.newaxis], token]
    value[:, :entries] += bias.value.astype(logit.dtype)
    # Of a token's entries only the last counts, and none of its place among the leaders.
    place, entry = np.arange(token.shape[1])[:, np.newaxis], np.arange(entries)
    later = (place >= entries) | (entry > place)
    value[((token[:, :, np.newaxis] == bias.token[:, np.newaxis]) & later).any(axis=2)] = -np.inf
    return _sorted(token, value, count)


def _leaders(logit: Float[np.ndarray, "prompt cls"], count: int) -> Int[np.ndarray, "prompt count"]:
    """The tokens of the largest logits, the first of equal ones, in the order of their numbers."""
    least = -np.partition(-logit, count - 1, axis=1)[:, [count - 1]]
    more, equal = logit > least, logit == least
    room = count - more.sum(axis=1, keepdims=True)
    return np.nonzero(more | (equal & (np.cumsum(equal, axis=1) <= room)))[1].reshape(-1, count)


def _sorted(
    token: Int[np.ndarray, "query entry"], value: Float[np.ndarray, "query entry"], count: int
) -> tuple[Int[np.ndarray, "query count"], Float[np.ndarray, "query count"]]:
    """The first few by falling value, then by token; `value` is used up."""
    best_token = np.empty((len(token), count), np.int64)
    best_value = np.empty((len(token), count), value.dtype)
    for place in range(count):  # a few passes are faster than sorting rows
        most = value.max(axis=1, keepdims=True)
        best_token[:, place] = np.where(value == most, token, np.iinfo(np.int64).max).min(axis=1)
        best_value[:, place] = most[:, 0]
        value[(token == best_token[:, [place]]) & (value == most)] = -np.inf
    return best_token, best_value


def _log_sum(
    logit: Float[np.ndarray, "prompt cls"], prompt: Int[np.ndarray, "query"], bias: Bias | None
) -> Float[np.ndarray, "query"]:
    """ln of the sum of exp(logit + bias) over tokens, a few queries at a time."""
    total = np.empty(len(prompt), logit.dtype)
    rows = max(1, NUMBERS // logit.shape[1])
    for at in range(0, len(prompt), rows):
        span = slice(at, at + rows)
        z = logit[prompt[span]]
        if bias is not None:
            row = np.arange(len(z))[:, np.newaxis]
            z[row, bias.token[span]] = z[row, bias.token[span]] + bias.value[span].astype(z.dtype)
        most = z.max(axis=1)
        z -= most[:, np.newaxis]
        np.exp(z, out=z)
        total[span] = most + np.log(z.sum(axis=1))
    return total

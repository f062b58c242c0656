"""Victims with random weights, whose truth is known: ReLU networks, and last layers of language models."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from jaxattack.attacks.extraction import LmHead, Relu, ReluDeep, ReluNetwork, logits
from jaxattack.audit.victim import Victim
from jaxattack.oracle import from_function, from_head, random_head
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.local import answer_from_logits
from jaxattack.types import Access, InputError, Inputs, Level, Oracle, Precision, within_memory


def relu_widths(name: str) -> list[int]:
    """The widths that relu:20-10-1 names, inputs first and outputs last."""
    return sizes(name, "relu:20-10-1, inputs first and outputs last", 3)


def head_sizes(name: str) -> list[int]:
    """The sizes that head:64-1000 names, hidden size and vocabulary."""
    return sizes(name, "head:64-1000, hidden size and vocabulary", 2)


def sizes(name: str, form: str, least: int) -> list[int]:
    """The numbers after the colon of a victim's name.

    Raises:
        InputError: fewer than the least, or none that are above 0; the sentence has the form.
    """
    try:
        sizes = [int(size) for size in name.partition(":")[2].split("-")]
    except ValueError:
        sizes = []
    if len(sizes) < least or min(sizes) < 1 or (least == 2 and len(sizes) > 2):
        raise InputError(f"victim is {name!r}: write {form}.")
    return sizes


def random_relu(name: str, level: Level, seed: int, price: float) -> Victim:
    """A network with weights and biases from a normal distribution, scaled by the width before them."""
    widths = relu_widths(name)
    pairs = list(pairwise(widths))
    within_memory(sum(before * after for before, after in pairs), victim=name)
    rng = np.random.default_rng(seed)
    network = ReluNetwork(
        tuple(rng.normal(size=(after, before)) / np.sqrt(before) for before, after in pairs),
        tuple(rng.normal(size=after) / np.sqrt(before) for before, after in pairs),
    )
    inputs = Inputs.box(-1, 1, (widths[0],))

    def make(level: Level) -> Oracle:
        answer = lambda x: answer_from_logits(logits(network, x), level)  # noqa: E731 - a name would be called once
        access = Access(level=level, classes=widths[-1], inputs=inputs)
        return from_function(
            answer, access, price=price, content=lambda: {"parameters": fingerprint_of(dict(network.parameters))}
        )

    return Victim(
        name=name,
        oracle=make(level),
        twin=make("logit"),
        attack=Relu() if len(widths) == 3 else ReluDeep(hidden=tuple(widths[1:-1])),
        truth=network,
    )


def random_language_head(name: str, level: Level, precision: Precision, seed: int, price: float) -> Victim:
    """A language model's last layer, random, over random hidden states."""
    hidden, vocabulary = head_sizes(name)
    within_memory(hidden * vocabulary, victim=name)
    states, projection, inputs = random_head(vocabulary, hidden, seed=seed)
    make = partial(from_head, states, projection, inputs=inputs, precision=precision, price=price)
    # Answers that hide most logits can be stolen from only where a caller may raise them.
    oracle = make(level=level, bias=0.0 if level == "logit" else 100.0)
    truth = projection if level == "logit" else projection - projection.mean(axis=0)
    return Victim(name=name, oracle=oracle, twin=make(level="logit"), attack=LmHead(), truth=truth)

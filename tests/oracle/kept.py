"""A small victim whose answers are kept in a journal, and batches to ask it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jaxattack.oracle import from_function, journalled
from jaxattack.types import Access, Inputs

INPUTS = Inputs.box(-1, 1, (2,))
ACCESS = Access(level="probability", classes=3, inputs=INPUTS)
BATCHES = [np.random.default_rng(number).uniform(-1, 1, (number + 1, 2)) for number in range(4)]


def probability(x):
    p = np.exp(x @ np.array([[1.0, 0, -1], [0, 2, 1]]))
    return p / p.sum(1, keepdims=True)


def victim(access=ACCESS, **settings):
    return from_function(probability, access, **settings)


def silent():
    def function(x):
        raise AssertionError("the victim was asked")

    return from_function(function, ACCESS)


def fill(folder, batches=BATCHES, **settings):
    with journalled(victim(), folder, **settings) as oracle:
        answers = [oracle(x) for x in batches]
    return oracle, answers


def file(folder):
    return folder / "answers.journal"


def untimed(ledger):
    return replace(ledger, seconds=0.0, price=round(ledger.price, 12))


def same(answer, other):
    for part, expected in zip(answer, other, strict=True):
        assert (part is None) == (expected is None)
        if part is not None:
            np.testing.assert_array_equal(part, expected)
            assert part.dtype == expected.dtype

"""What is said of models that learnt nothing, or learnt differently."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit.learning import accuracy, doubts
from jaxattack.metrics import Spread

LABEL = np.repeat([0, 1], [70, 30])


@pytest.mark.parametrize(
    ("mean", "sd", "said"),
    [(0.95, 0.02, []), (0.7, 0.02, ["the largest class has 70.0%"]), (0.60, 0.15, ["largest class", "differ wildly"]),
     (0.9, 0.15, ["90.0 ± 15.0%"]), (0.9, 0.07, [])],
)  # fmt: skip
def test_models_that_learnt_little_or_differently_are_told(mean, sd, said):
    """With 50 records left out, chance spreads an accuracy of 90% by 4.2%."""
    notes = doubts(Spread(mean=mean, sd=sd), LABEL, 50)
    assert len(notes) == len(said)
    assert all(words in note for words, note in zip(said, notes, strict=True))


def test_nothing_is_said_of_what_is_not_known():
    assert doubts(None, LABEL, 50) == []


def test_accuracies_are_means_over_models():
    right, member = np.array([[1.0, 0, 1], [1, 1, 1]]), np.array([[True, False, False], [True, True, False]])
    assert accuracy(right, member) == Spread(mean=1.0, sd=0.0)
    assert vars(accuracy(right, ~member)) == pytest.approx({"mean": 0.75, "sd": np.sqrt(0.125)})
    assert accuracy(right, np.zeros_like(member)) is None

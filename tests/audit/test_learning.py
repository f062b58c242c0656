"""What is said of models that learnt nothing, or learnt differently."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack.audit.learning import accuracies, doubts

LABEL = np.repeat([0, 1], [70, 30])


def models(mean, sd):
    return {"test_accuracy": {"mean": mean, "sd": sd}}


@pytest.mark.parametrize(
    ("mean", "sd", "said"),
    [(0.95, 0.02, []), (0.7, 0.02, ["the largest class has 70.0%"]), (0.60, 0.15, ["largest class", "differ wildly"]),
     (0.9, 0.15, ["90.0 ± 15.0%"]), (0.9, 0.07, [])],
)  # fmt: skip
def test_models_that_learnt_little_or_differently_are_told(mean, sd, said):
    """With 50 records left out, chance spreads an accuracy of 90% by 4.2%."""
    notes = doubts(models(mean, sd), LABEL, 50)
    assert len(notes) == len(said)
    assert all(words in note for words, note in zip(said, notes, strict=True))


def test_nothing_is_said_of_what_is_not_known():
    assert doubts({"test_accuracy": None}, LABEL, 50) == []


def test_accuracies_are_means_over_models():
    right, member = np.array([[1.0, 0, 1], [1, 1, 1]]), np.array([[True, False, False], [True, True, False]])
    told = accuracies(right, member)
    assert told["train_accuracy"] == {"mean": 1.0, "sd": 0.0}
    assert told["test_accuracy"] == pytest.approx({"mean": 0.75, "sd": np.sqrt(0.125)})
    assert accuracies(right, np.ones_like(member))["test_accuracy"] is None

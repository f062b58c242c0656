"""Whether the models of a sweep learnt their task: what leaks nothing may only have learnt nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.types import Observations

WILD = 0.05  # standard deviation of the models' accuracy beyond what the choice of records left out explains


def accuracies(
    right: Float[np.ndarray, "model record"], member: Bool[np.ndarray, "model record"]
) -> dict[str, dict[str, float] | None]:
    """``train_accuracy`` and ``test_accuracy`` as mean and standard deviation over models; None where a model has no such records."""
    told: dict[str, dict[str, float] | None] = {}
    for name, rows in (("train_accuracy", member), ("test_accuracy", ~member)):
        each = (right * rows).sum(axis=1) / np.maximum(rows.sum(axis=1), 1)
        told[name] = {"mean": float(each.mean()), "sd": float(each.std(ddof=1))} if rows.any(axis=1).all() else None
    return told


def fit_of_models(observations: Observations, scored: Int[np.ndarray, "scored"]) -> dict[str, Any]:
    """How many models there are, and how well they fit and generalise on the records that were scored."""
    member = observations.member[:, scored]
    counts = observations.member.sum(axis=1)
    right = observations.signal("correct")[:, scored, 0] if "correct" in observations.signals else None
    known = {"train_accuracy": None, "test_accuracy": None} if right is None else accuracies(right, member)
    return {
        "count": observations.models,
        "records": observations.records,
        "scored": len(scored),
        "classes": int(observations.label.max()) + 1,
        "members": float(counts.mean()),
        **known,
    }


def doubts(models: dict[str, Any], label: Int[np.ndarray, "record"], left_out: float) -> list[str]:
    """What speaks against reading anything into these models, in sentences.

    Args:
        models: the part ``models`` of the findings.
        label: of the records that were scored.
        left_out: how many records a model was not trained on, on average.
    """
    accuracy = models["test_accuracy"]
    if accuracy is None:
        return []
    largest = float(np.bincount(label).max() / len(label))
    mean, sd = accuracy["mean"], accuracy["sd"]
    notes = []
    if mean <= largest:
        notes.append(
            f"The models are right on {100 * mean:.1f}% of the records left out, and the largest class has "
            f"{100 * largest:.1f}%: they have not learnt the task, and what attacks find of them says little of models that "
            "have."
        )
    chance = mean * (1 - mean) / max(left_out, 1.0)
    if sd**2 - 2 * chance > WILD**2:  # twice: the variance over few models is known badly
        notes.append(
            f"The models' accuracy on records left out is {100 * mean:.1f} ± {100 * sd:.1f}%: trainings of one recipe differ "
            "wildly, and pooled figures mix models that learnt with models that did not."
        )
    return notes

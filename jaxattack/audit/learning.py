"""Whether the models of a sweep learnt their task: what leaks nothing may only have learnt nothing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.audit.findings.membership import ModelFindings
from jaxattack.metrics import Spread
from jaxattack.types import Observations

WILD = 0.05  # standard deviation of the models' accuracy beyond what the choice of records left out explains


def accuracy(right: Float[np.ndarray, "model record"], mask: Bool[np.ndarray, "model record"]) -> Spread | None:
    """Of each model on the records that are counted of it, over the models; None where a model has none."""
    each = (right * mask).sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
    return Spread(mean=float(each.mean()), sd=float(each.std(ddof=1))) if mask.any(axis=1).all() else None


def fit_of_models(observations: Observations, scored: Int[np.ndarray, "scored"]) -> ModelFindings:
    """How many models there are, and how well they fit and generalise on the records that were scored."""
    member = observations.member[:, scored]
    right = observations.signal("correct")[:, scored, 0] if "correct" in observations.signals else None
    return ModelFindings(
        count=observations.models,
        records=observations.records,
        scored=len(scored),
        classes=int(observations.label.max()) + 1,
        members=float(observations.member.sum(axis=1).mean()),
        train_accuracy=None if right is None else accuracy(right, member),
        test_accuracy=None if right is None else accuracy(right, ~member),
    )


def doubts(generalisation: Spread | None, label: Int[np.ndarray, "record"], left_out: float) -> list[str]:
    """What speaks against reading anything into models, in sentences.

    Args:
        generalisation: their accuracy on records left out, where it is known.
        label: of the records that were scored.
        left_out: how many records a model was not trained on, on average.
    """
    if generalisation is None:
        return []
    largest = float(np.bincount(label).max() / len(label))
    mean, sd = generalisation.mean, generalisation.sd
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

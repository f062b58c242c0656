"""Whether the models of a sweep learnt their task: what leaks nothing may only have learnt nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.audit.findings.membership import ModelFindings
from jaxattack.metrics import Spread
from jaxattack.types import Observations

SIZES = 0.01  # of the records, by which the models' numbers of members may differ without a word
TOLD = 0.02  # of AUC, by which a pooled figure may be above that of one model at a time without a word, beyond chance
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
        fewest_members=int(member.sum(axis=1).min()),
        most_members=int(member.sum(axis=1).max()),
    )


def with_sizes(models: ModelFindings, pooled: float, alone: Spread) -> ModelFindings:
    """Whether what is found tells members by which model it is of, and not by what the model gives away.

    A model of many members is surer of every record, and most records of which it is sure are its members: scores of models of
    20, 150 and 280 of 300 records that do not depend on any record's membership have a pooled AUC of .88, and of .48 in one
    model at a time. Models of equally many members have no such figure.

    Args:
        models: with the numbers of their members.
        pooled: the AUC of the attack that is claimed, all models together.
        alone: its mean over the models, of whose chance twice the standard error allows for.
    """
    assert models.fewest_members is not None
    assert models.most_members is not None
    apart = models.most_members - models.fewest_members > SIZES * models.scored
    chance = 2 * alone.sd / math.sqrt(models.count)
    return replace(models, members_tell=True if apart and pooled - alone.mean > TOLD + chance else None)


def doubts_of_sizes(models: ModelFindings, attack: str, pooled: float, alone: Spread) -> list[str]:
    """In a sentence, that models tell their members by how many they have; none where they do not."""
    if not models.members_tell:
        return []
    return [
        f"Models have {models.fewest_members:,} to {models.most_members:,} members, and those of many are surer of every record: the AUC "
        f"of {attack} is {pooled:.3f} over all models together and {alone.mean:.3f} in one model at a time. Figures over all models, and the "
        "records that they give away, tell large training sets from small ones. Train models of equally many members, or read the "
        "figures of one model at a time."
    ]


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

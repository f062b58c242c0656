"""Trained models: what the sweep's own targets give is what targets give whom no reference knows anything of."""

from __future__ import annotations

import numpy as np
import pytest

from jaxattack import Observations, Recipe, load, train_ensemble
from jaxattack.attacks.membership import LiRA
from jaxattack.data.designs import Halves, Poisson
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import build

REFERENCES, FRESH = 16, 48


@pytest.fixture(scope="module")
def observed() -> Observations:
    """Digits: 16 models on complementary halves, then targets on draws of their own."""
    dataset = load("digits")
    member = np.concatenate([Halves()(REFERENCES, len(dataset), seed=0), Poisson()(FRESH, len(dataset), seed=1)])
    model = build("mlp:64", dataset.shape, dataset.classes)
    return train_ensemble(model, Recipe(epochs=30), dataset, member)[1]


def areas(scores: np.ndarray, member: np.ndarray) -> np.ndarray:
    return np.array([auc(roc_curve(*one)) for one in zip(scores, member, strict=True)])


def test_the_sweeps_targets_are_worth_as_much_as_fresh_ones_and_more_by_leave_one_out(observed):
    sweep = observed.take(slice(REFERENCES))
    own = areas(LiRA(online=True)(sweep), sweep.member)
    fresh = []
    for number, target in enumerate(range(REFERENCES, REFERENCES + FRESH)):
        left_out = 2 * (number % (REFERENCES // 2))  # one pair, so that fresh targets have as many references
        references = np.delete(np.arange(REFERENCES), [left_out, left_out + 1])
        alone = observed.take(np.append(references, target))
        fresh.append(areas(LiRA(online=True)(alone, [len(references)]), alone.member[-1:])[0])
    error = np.sqrt(own.var(ddof=1) / len(own) + np.var(fresh, ddof=1) / len(fresh))
    assert own.mean() == pytest.approx(np.mean(fresh), abs=3 * error)
    assert error < 0.006
    published = areas(LiRA(online=True, protocol="leave-one-out")(sweep), sweep.member)
    assert published.mean() > np.mean(fresh) + 3 * error

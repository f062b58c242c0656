"""What is said of models that learnt nothing, or learnt differently."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from jaxattack.attacks.membership import AttackP, LiRA, Threshold
from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.findings import values
from jaxattack.audit.learning import accuracy, doubts
from jaxattack.metrics import Spread
from jaxattack.report.membership.reading import sentences
from jaxattack.types import Observations

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


def of_sizes(sizes, *, steep, records=300, seed=0):
    """Models of so many members, phi of all records higher by a model's size and of no record by its membership."""
    rng = np.random.default_rng(seed)
    member = np.stack([rng.permutation(records) < size for size in sizes])
    surer = steep * (member.mean(axis=1) - 0.5)
    phi = rng.normal(size=records) + surer[:, None] + 0.7 * rng.normal(size=member.shape)
    return Observations(signals={"phi": phi[..., None]}, member=member, label=np.zeros(records, int))


def test_what_sizes_alone_tell_is_not_called_a_leak():
    attacks = (LiRA(online=True), Threshold(quantity="loss"), AttackP())
    found = evaluate(of_sizes([20, 150, 280] * 4, steep=12.0), attacks, growth=False)
    assert found.attacks[0].auc > 0.8
    assert found.attacks[0].per_target.auc.mean == pytest.approx(0.5, abs=0.05)
    assert found.models.members_tell
    assert any("Models have 20 to 280 members" in note and "0.8" in note for note in found.notes)
    plain = values(found)
    assert f"in one model at a time the AUC is {found.attacks[0].per_target.auc.mean:.3f}." in sentences(plain)[1]
    # Equal sizes, sizes that tell nothing, and a leak in models of equal sizes say nothing of the kind.
    leak = of_sizes([150] * 12, steep=12.0)
    leak = replace(leak, signals={"phi": leak.signal("phi") + 2 * leak.member[..., None]})
    for quiet in (of_sizes([150] * 12, steep=12.0), of_sizes([100, 150, 200] * 4, steep=0.0), leak):
        silent = evaluate(quiet, attacks[1:], growth=False)
        assert silent.models.members_tell is None
        assert not any("members, and those of many" in note for note in silent.notes)
        assert "one model at a time" not in " ".join(sentences(values(silent)))

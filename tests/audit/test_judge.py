"""Who judges reconstructions: a model that shares neither records nor randomness with the victim."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from jaxattack.audit import judge, open_victim
from jaxattack.audit.judge import evaluation_model, evaluation_seed
from jaxattack.audit.reconstructions import Labels
from jaxattack.models import Architecture
from jaxattack.training import check_seed
from jaxattack.types import Inversion


def test_no_seed_that_a_victim_would_have_is_its_judges():
    seeds = [evaluation_seed(seed) for seed in [*range(2000), 2**32 - 1]]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) > 10_000
    for seed in seeds:
        check_seed(seed)
    assert seeds[:50] == [evaluation_seed(seed) for seed in range(50)]


def test_a_judge_that_answers_all_alike_recognises_nobody():
    answers = np.array([[0.0, 0, 0], [np.nan, np.nan, np.nan], [1, 0, 2], [3, 0, 2], [2, 0, 2]])
    model = judge.Evaluation("constant", 0.0, 1, lambda x: answers)
    assert judge._ranks(model, np.zeros((5, 1)), np.zeros(5, int)).tolist() == [2, 2, 1, 0, 1]


def made_back(x, target):
    x = np.asarray(x, float)
    return Inversion(
        attack="none", target=np.asarray(target), x=x, restarts=x[:, None], score=np.ones((len(x), 1)),
        steps=np.ones((len(x), 1), int),
    )  # fmt: skip


def test_five_guesses_of_three_classes_are_no_measure():
    victim = open_victim("mlp:4", data="iris", fresh=True)
    worst = judge.Evaluation("worst", 0.0, 1, lambda x: -np.eye(3)[[0, 1, 2]])
    found = judge.judge(victim, made_back(victim.dataset.x[[0, 60, 120]], [0, 1, 2]), None, worst)
    assert found.recognition.top1 == 0
    assert found.recognition.top5 is None


def test_what_stands_for_a_target_that_nothing_was_made_for_is_no_success():
    victim = open_victim("mlp:4", data="iris", fresh=True)
    x = [victim.dataset.x[victim.member & (victim.dataset.y == cls)][0] for cls in range(3)]
    sure = judge.Evaluation("sure", 1.0, 1, lambda x: np.eye(3)[[0, 1, 2]][: len(x)])
    absent = replace(made_back(x, [0, 1, 2]), score=np.array([[1.0], [1.0], [np.nan]]))
    labels = Labels(np.arange(3), np.arange(3)[:, None])
    found = judge.judge(victim, absent, labels, sure)
    assert found.recognition.victim == found.recognition.top1 == 2 / 3
    assert [row.passes for row in found.targets] == [True, True, False]


def test_a_record_whose_label_was_not_recovered_is_compared_all_the_same():
    """Its label came out as a class without members: left out, the mean would be that of the record that came back."""
    victim = open_victim("mlp:4", data="iris", fresh=True)
    victim = replace(victim, member=victim.member & (victim.dataset.y != 2))
    truth = victim.dataset.x[:2].astype(float)
    lost = np.stack([truth[0] + 0.01, truth[1] + 1])
    found = judge.judge(victim, made_back(lost, [0, 2]), None, None, truth)
    rows = [row.mse for row in found.targets]
    spread = np.ptp(victim.dataset.x, axis=0)
    np.testing.assert_allclose(rows, [((by / spread) ** 2).mean() for by in (0.01, 1)], rtol=1e-3)
    assert found.likeness.mse == pytest.approx(np.mean(rows))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_judge_starts_from_other_weights_and_learns_other_records_than_the_victim(monkeypatch, seed):
    trained = []

    def train(source, model, recipe, dataset, member, *, seed, progress):
        variables = model.init(jax.random.fold_in(jax.random.key(seed), 0))
        trained.append((variables, member))
        return variables, ()

    victim = open_victim("mlp:4", data="iris", fresh=True, seed=1)
    monkeypatch.setattr(judge, "train_on_scale", train)
    evaluation_model(victim, Architecture(name="mlp:4"), seed)
    ((variables, member),) = trained
    np.testing.assert_array_equal(member, ~victim.member)
    first = [jax.tree.leaves(each.params) for each in (variables, victim.inside.variables)]
    kernels = [(one, other) for one, other in zip(*first, strict=True) if one.ndim == 2]
    assert kernels
    assert all((np.asarray(one) != np.asarray(other)).all() for one, other in kernels)

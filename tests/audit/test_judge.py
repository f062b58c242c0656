"""Who judges reconstructions: a model that shares neither records nor randomness with the victim."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxattack.audit import judge, open_victim
from jaxattack.audit.judge import evaluation_model, evaluation_seed
from jaxattack.models import Architecture
from jaxattack.training import check_seed


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

"""The rank test: a valid p-value of an independent model, the least of one trained on the owner's records; its z-score by hand."""

from __future__ import annotations

import numpy as np
import pytest
from attacks.ownership.owners import answering, independents, owner, recordings

from jaxattack.attacks.ownership import Rank
from jaxattack.attacks.ownership.rank import leave_one_out_z
from jaxattack.oracle import top_k
from jaxattack.types import InputError

LEAVING_LEAST = 1 / 20


@pytest.mark.parametrize("statistic", ["lira", "loss", "label"])
def test_the_victim_has_the_least_p_value_and_independents_one_that_is_valid(statistic):
    test = Rank(statistic=statistic)
    evidence = test.prepare(owner())
    proof = test(answering(owner().victim.variables, level=test.levels[0]), evidence)
    assert proof.p_value == pytest.approx(LEAVING_LEAST)
    assert proof.cost.queries == len(owner().members) + len(owner().held_out)
    others = [test(answering(one, level=test.levels[0]), evidence).p_value for one in independents()]
    assert sum(p <= LEAVING_LEAST for p in others) <= 3  # of 12: more has a probability of .002
    assert max(others) > 0.5


def test_z_scores_are_those_of_a_loop_that_leaves_one_out():
    values = np.random.default_rng(0).normal(size=(5, 3)) + 100
    values[:, 2] = 7.0
    by_hand = np.zeros_like(values)
    for model in range(5):
        rest = np.delete(values, model, axis=0)
        by_hand[model, :2] = (values[model, :2] - rest[:, :2].mean(axis=0)) / rest[:, :2].std(axis=0, ddof=1)
    np.testing.assert_allclose(leave_one_out_z(values), by_hand, rtol=1e-9)


def test_rounded_confidences_are_held_against_references_as_coarse():
    test = Rank(statistic="loss")
    evidence = test.prepare(owner())
    coarse = answering(owner().victim.variables, level="probability", decimals=2)
    assert test(coarse, evidence).p_value == pytest.approx(LEAVING_LEAST)


def test_what_it_cannot_do_it_refuses():
    test = Rank(statistic="lira")
    with pytest.raises(InputError, match="there are 18 references: give 19 or more"):
        test.prepare(owner(references=18))
    evidence = test.prepare(owner())
    with pytest.raises(InputError, match="reads confidences and the suspect answers with its label"):
        test(answering(owner().victim.variables, level="label"), evidence)
    with pytest.raises(InputError, match="answers its 1 likeliest of 3 classes alone: give rank-label"):
        test(top_k(answering(owner().victim.variables), 1), evidence)
    by_labels = Rank(statistic="label")
    one = top_k(answering(owner().victim.variables), 1)
    assert by_labels(one, by_labels.prepare(owner())).p_value == pytest.approx(LEAVING_LEAST)
    with pytest.raises(InputError, match="rank-lira asks a suspect: give an oracle"):
        test(owner().victim, evidence)
    with pytest.raises(InputError, match="records is 0"):
        Rank(records=0)
    assert len(recordings()) > 100

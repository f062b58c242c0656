"""Numeric gradients: a step by hand, what it costs, and budgets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from attacks.inversion.white_boxes import digits

from jaxattack.attacks.inversion import Numeric
from jaxattack.oracle import budgeted, from_function, label_only, rounded, top_k
from jaxattack.types import Access, InputError, Inputs

WEIGHT = np.random.default_rng(0).normal(size=(5, 3)) / 50


def oracle(decimals: int | None = None):
    def answer(x):
        z = np.exp(x @ WEIGHT)
        return z / z.sum(axis=1, keepdims=True)

    made = from_function(answer, Access(level="probability", classes=3, inputs=Inputs.box(0, 100, (5,))))
    return made if decimals is None else rounded(made, decimals)


def test_the_first_step_is_along_the_gradient():
    found = Numeric(steps=2, width=1e-4, learning_rate=0.01)(oracle(), np.array([1]))
    u = np.full(5, 0.5)
    z = np.exp(100 * u @ WEIGHT)
    p = z / z.sum()
    moved = u + 0.01 * (np.eye(3)[1] - p) @ (100 * WEIGHT).T
    np.testing.assert_allclose(found.x[0], 100 * moved, rtol=1e-5)


def test_a_step_of_all_targets_is_one_call_of_twice_the_features():
    asked = oracle()
    found = Numeric(steps=4, confidence=1.0)(asked, np.array([0, 2]))
    assert found.cost.calls == 4
    assert found.cost.queries == 4 * 2 * (1 + 2 * 5)
    fewer = Numeric(steps=4, confidence=1.0, directions=2)(oracle(), np.array([0, 2]))
    assert fewer.cost.queries == 4 * 2 * (1 + 2 * 2)
    assert (fewer.score[:, 0] > 1 / 3).all()


def test_random_directions_estimate_the_gradient_without_bias():
    steps = [
        Numeric(steps=2, width=1e-4, learning_rate=1e-3, directions=2)(oracle(), np.array([1]), seed=seed).x[0]
        for seed in range(300)
    ]
    whole = Numeric(steps=2, width=1e-4, learning_rate=1e-3)(oracle(), np.array([1])).x[0]
    apart = np.abs(np.mean(steps, axis=0) - whole) / np.abs(whole - 50).max()
    assert apart.max() < 0.2


def test_real_digits_are_made_through_the_api():
    victim = digits()
    found = Numeric(steps=60)(victim.oracle, np.arange(10))
    assert (victim.twin(found.x).label == np.arange(10)).all()
    assert found.cost.calls <= 60


def test_a_budget_that_ends_returns_the_best_so_far():
    found = Numeric(steps=50, confidence=1.0)(budgeted(oracle(), 100), np.array([0, 1]))
    assert not found.complete
    assert "still moving" in found.reason
    assert found.cost.queries == 88
    with pytest.raises(InputError, match="at least 22 queries"):
        Numeric()(budgeted(oracle(), 10), np.array([0, 1]))


def test_answers_too_coarse_for_a_difference_stop_it():
    found = Numeric(steps=50, width=1e-6)(oracle(decimals=2), np.array([0]))
    assert found.steps[0, 0] == 1
    assert not found.complete  # where it began is no record of the class
    assert found.reason.startswith("The confidence in 1 of 1 targets is the same at all neighbours")


def test_a_target_that_the_victim_is_sure_of_has_nowhere_to_go():
    sure = from_function(lambda x: np.eye(3)[np.zeros(len(x), int)], oracle().access)
    assert Numeric()(sure, np.array([0])).complete


def test_of_logits_the_most_likely_classes_are_confidences_among_themselves():
    logits = from_function(lambda x: x @ WEIGHT, replace(oracle().access, level="logit"))
    best = np.array([logits(np.full((1, 5), 50.0)).label[0]])
    whole, top = (Numeric(steps=3)(one, best) for one in (logits, top_k(logits, 2)))
    assert whole.score[0, 0] < top.score[0, 0] <= 1  # of all and of two classes
    assert top.steps[0, 0] > 1


def test_labels_alone_are_refused():
    with pytest.raises(InputError, match="cannot work with label answers"):
        Numeric()(label_only(oracle()), np.array([0]))


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("width", 0.0), ("directions", -1), ("objective", "margin"), ("confidence", 2.0)],
)
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=f"{field} is"):
        Numeric(**{field: value})

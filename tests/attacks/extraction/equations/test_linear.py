"""Softmax regression from as few queries as determine it, to rounding error, saturated answers and feature maps included."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import minmax_scale

from jaxattack.attacks.extraction import Rounded, Softmax, uniform
from jaxattack.attacks.extraction.equations.terms import usable
from jaxattack.metrics import fidelity, gauge
from jaxattack.oracle import budgeted, from_estimator, from_function, rounded
from jaxattack.types import Access, Answer, InputError, Inputs

SETS = {"iris": load_iris, "wine": load_wine, "breast_cancer": load_breast_cancer, "digits": load_digits}


def _victim(name):
    x, y = SETS[name](return_X_y=True)
    x = minmax_scale(x, (-1, 1))
    fitted = LogisticRegression(max_iter=500).fit(x, y)
    inputs = Inputs.box(-1, 1, x.shape[1:])
    return fitted, lambda level="probability": from_estimator(fitted, inputs=inputs, level=level)


def _logits(scale, *, level="probability", seed=0, features=6, classes=3):
    """A softmax regression of our own, its logits as large as asked for."""
    rng = np.random.default_rng(seed)
    weight, bias = scale * rng.normal(size=(features, classes)), rng.normal(size=classes)
    access = Access(level=level, classes=classes, inputs=Inputs.box(-1, 1, (features,)))
    answer = (lambda x: x @ weight + bias) if level == "logit" else (lambda x: softmax(x @ weight + bias, axis=1))
    return (weight, bias), from_function(answer, access)


@pytest.mark.parametrize("name", SETS)
def test_real_models_come_out_exactly_from_one_query_more_than_features(name):
    fitted, make = _victim(name)
    oracle = make()
    found = Softmax()(oracle, seed=1)
    assert found.complete, found.reason
    assert found.attack_cost.queries == fitted.n_features_in_ + 1
    x = uniform(oracle.access.inputs, 2000, np.random.default_rng(5))
    alike = fidelity(make()(x), found.answer(x))
    assert alike.disagreement == 0
    assert alike.variation_max is not None
    assert alike.variation_max < 1e-9


@pytest.mark.parametrize(("attack", "decimals"), [(Softmax(), None), (Rounded(), None), (Rounded(), 3)])
def test_a_service_that_rounds_its_inputs_is_asked_on_its_grid(attack, decimals):
    weight = np.random.default_rng(0).normal(size=(4, 3)) / 100
    inputs = replace(Inputs.box(0, 255, (4,)), whole=True)
    access = Access(level="probability", classes=3, inputs=inputs)
    asked = []

    def answer(x):
        asked.append(x)
        return softmax(np.rint(x) @ weight, axis=1)

    victim = from_function(answer, access)
    found = attack(victim if decimals is None else rounded(victim, decimals))
    assert found.complete, found.reason  # as if it had fractions, every equation would be off
    np.testing.assert_array_equal(np.concatenate(asked), np.rint(np.concatenate(asked)))
    mine, true = gauge(found.parameters["weight"], np.zeros(3))[0], gauge(weight, np.zeros(3))[0]
    np.testing.assert_allclose(mine, true, atol=1e-10 if decimals is None else 1e-4)


@pytest.mark.parametrize("level", ["probability", "logit"])
def test_parameters_are_the_victims_in_the_gauge_of_zero_mean(level):
    truth, oracle = _logits(1.0, level=level)
    found = Softmax()(oracle)
    for mine, true in zip(gauge(found.parameters["weight"], found.parameters["bias"]), gauge(*truth), strict=True):
        np.testing.assert_allclose(mine, true, atol=1e-10)
    assert found.model is not None
    x = np.random.default_rng(3).normal(size=(5, 6))
    with jax.enable_x64(True):
        logit = np.asarray(found.model.apply(found.variables, x))
    np.testing.assert_allclose(softmax(logit, axis=1), found.answer(x).probability, atol=1e-9)


def test_saturated_answers_are_asked_again_nearer_the_middle():
    _, oracle = _logits(400.0)
    found = Softmax()(oracle)
    x = uniform(oracle.access.inputs, 2000, np.random.default_rng(5))
    assert fidelity(oracle(x), found.answer(x)).agreement > 0.999


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_confidences_are_equations_for_as_long_as_they_hold_all_digits(precision):
    access = Access(level="probability", classes=3, inputs=Inputs.box(-1, 1, (2,)), precision=precision)
    least = np.finfo(precision).tiny
    rows = np.array([[least, 0.5, 0.5], [least / 2, 0.5, 0.5], [0.0, 0.5, 0.5]])
    np.testing.assert_array_equal(usable(access, Answer(rows.argmax(axis=1), rows)), [True, False, False])


def test_rounded_answers_are_stolen_nearly_from_more_queries():
    _, oracle = _logits(1.0)
    few, many = (Softmax(queries=count)(rounded(oracle, 3), seed=2) for count in (7, 400))
    x = uniform(oracle.access.inputs, 4000, np.random.default_rng(5))
    far, near = (fidelity(oracle(x), found.answer(x)).variation_mean for found in (few, many))
    assert far is not None
    assert near is not None
    assert near < far
    assert near < 1e-3


def test_a_quadratic_victim_needs_the_quadratic_map():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, 2))
    access = Access(level="logit", classes=2, inputs=Inputs.box(-1, 1, (3,)))
    oracle = from_function(lambda x: (x**2) @ weight + x @ weight[::-1], access)
    x = uniform(access.inputs, 1000, np.random.default_rng(5))
    found = Softmax(features="quadratic")(oracle)
    np.testing.assert_allclose(np.diff(found.answer(x).logit), np.diff(oracle(x).logit), atol=1e-9)
    assert fidelity(oracle(x), Softmax(queries=40)(oracle).answer(x)).agreement < 0.99


def test_a_budget_below_what_determines_it_says_so():
    _, oracle = _logits(1.0)
    with pytest.raises(InputError, match="needs at least 7 queries"):
        Softmax()(budgeted(oracle, 3))


@pytest.mark.parametrize("wrong", [{"queries": 1}, {"features": "cubic"}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Softmax(**wrong)


def test_labels_are_refused_with_what_works_on_them():
    victim = from_function(
        lambda x: (x[:, 0] > 0).astype(int), Access(level="label", classes=2, inputs=Inputs.box(-1, 1, (2,)))
    )
    with pytest.raises(
        InputError, match="softmax cannot work with label answers: .* choose adaptive-retraining, or lowd-meek"
    ):
        Softmax()(victim)

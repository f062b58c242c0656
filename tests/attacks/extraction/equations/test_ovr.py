"""One-vs-rest regressions come out to rounding, though each answer hides the sum that it was divided by."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import minmax_scale

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.ovr import OneVsRest
from jaxattack.metrics import fidelity
from jaxattack.oracle import budgeted, from_estimator, from_function, label_only
from jaxattack.types import Access, InputError, Inputs

SETS = {
    "iris": load_iris,
    "wine": load_wine,
    "digits": partial(load_digits, n_class=3),
    "breast_cancer": load_breast_cancer,
}


def _own(link, *, features=6, classes=4, seed=0):
    """A model of our own, some of whose classes are likely somewhere."""
    rng = np.random.default_rng(seed)
    weight, bias = rng.normal(size=(features, classes)), rng.normal(size=classes) - 1
    access = Access(level="probability", classes=classes, inputs=Inputs.box(-1, 1, (features,)))
    return weight, bias, from_function(lambda x: link(x @ weight + bias), access)


def _normalised(z):
    return expit(z) / expit(z).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", SETS)
def test_real_models_come_out_exactly_from_two_equations_for_each_unknown(name):
    x, y = SETS[name](return_X_y=True)
    x = minmax_scale(x, (-1, 1))
    fitted = OneVsRestClassifier(LogisticRegression(max_iter=500)).fit(x, y)
    inputs = Inputs.box(-1, 1, x.shape[1:])
    oracle = from_estimator(fitted, inputs=inputs)
    found = OneVsRest()(oracle)
    assert found.complete, found.reason
    assert found.attack_cost.queries <= 2 * OneVsRest().needs(oracle.access)
    asked = uniform(inputs, 2000, np.random.default_rng(5))
    for queries in (x, asked):
        alike = fidelity(oracle(queries), found.answer(queries))
        assert alike.disagreement == 0
        assert alike.variation_max is not None
        assert alike.variation_max < 1e-9


def test_parameters_are_the_victims_without_any_shift():
    weight, bias, oracle = _own(_normalised)
    found = OneVsRest()(oracle)
    assert found.complete, found.reason
    np.testing.assert_allclose(found.parameters["weight"], weight, atol=1e-8)
    np.testing.assert_allclose(found.parameters["bias"], bias, atol=1e-8)
    assert found.model is not None
    x = np.random.default_rng(3).normal(size=(5, 6))
    with jax.enable_x64(True):
        logit = np.asarray(found.model.apply(found.variables, jnp.asarray(x)))
    np.testing.assert_allclose(softmax(logit, axis=1), _normalised(x @ weight + bias), atol=1e-9)


def test_two_classes_are_one_logistic_regression():
    rng = np.random.default_rng(1)
    w, b = rng.normal(size=5), 0.3
    access = Access(level="probability", classes=2, inputs=Inputs.box(-1, 1, (5,)))
    found = OneVsRest()(from_function(lambda x: np.stack([expit(-x @ w - b), expit(x @ w + b)], axis=1), access))
    assert found.complete, found.reason
    assert found.attack_cost.queries == 6
    np.testing.assert_allclose(found.parameters["weight"], np.stack([-w, w], axis=1) / 2, atol=1e-9)


def test_answers_of_softmax_are_told_from_those_of_one_vs_rest():
    _, _, oracle = _own(lambda z: softmax(z + 1, axis=1))
    found = OneVsRest(queries=60)(oracle)
    assert not found.complete
    assert "not those of such a model" in found.reason


def test_a_budget_that_ends_early_leaves_what_determines_it_or_says_what_is_needed():
    _, _, oracle = _own(_normalised)
    assert OneVsRest().needs(oracle.access) == 10
    with pytest.raises(InputError, match="needs at least 10 queries"):
        OneVsRest()(budgeted(oracle, 5))
    found = OneVsRest()(budgeted(oracle, 12))
    assert (found.attack_cost.queries, found.cost.queries) == (10, 12)


def test_labels_are_refused_and_so_are_values_out_of_range():
    _, _, oracle = _own(_normalised)
    with pytest.raises(InputError, match="ovr cannot work with label"):
        OneVsRest()(label_only(oracle))
    with pytest.raises(InputError, match="queries is 3 and"):
        OneVsRest(queries=3)(oracle)
    cases: tuple[dict[str, Any], ...] = ({"queries": 1}, {"features": "cubic"})
    for wrong in cases:
        with pytest.raises(InputError, match=next(iter(wrong))):
            OneVsRest(**wrong)

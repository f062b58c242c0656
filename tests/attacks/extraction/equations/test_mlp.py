"""Networks with one hidden layer, stolen with all their weights where answers are exact, and honestly nearly elsewhere."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.equations.mlp import Mlp
from jaxattack.metrics import fidelity
from jaxattack.oracle import budgeted, from_function, label_only, rounded
from jaxattack.types import Access, InputError, Inputs, Level

ACT = {"tanh": np.tanh, "sigmoid": expit, "relu": lambda z: np.maximum(z, 0)}


def _victim(activation="tanh", *, features=10, hidden=4, classes=3, level: Level = "probability"):
    """A network of our own, and an oracle over it."""
    rng = np.random.default_rng(0)
    weight, offset = 2 * rng.normal(size=(hidden, features)) / features**0.5, rng.normal(size=hidden)
    output, last = rng.normal(size=(classes, hidden)), rng.normal(size=classes)
    access = Access(level=level, classes=classes, inputs=Inputs.box(-1, 1, (features,)))

    def answer(x):
        logit = ACT[activation](x @ weight.T + offset) @ output.T + last
        return softmax(logit, axis=1) if level == "probability" else logit

    return weight, from_function(answer, access)


def _alike(oracle, found):
    x = uniform(oracle.access.inputs, 2000, np.random.default_rng(5))
    return fidelity(oracle(x), found.answer(x))


@pytest.mark.parametrize(("activation", "hidden"), [("tanh", None), ("tanh", 4), ("sigmoid", None)])
def test_smooth_networks_come_out_exactly_with_their_number_of_units(activation, hidden):
    weight, oracle = _victim(activation)
    found = Mlp(activation=activation, hidden=hidden)(oracle, seed=1)
    assert found.complete, found.reason
    assert found.notes["hidden"] == 4
    assert found.notes["start"] == "derivatives"
    alike = _alike(oracle, found)
    assert alike.disagreement == 0
    assert alike.variation_max is not None
    assert alike.variation_max < 1e-9
    mine = found.parameters["weight0"]
    apart = np.abs(np.concatenate([mine, -mine])[:, None] - weight[None]).max(axis=2).min(axis=0)
    assert apart.max() < 1e-6


def test_parameters_are_those_of_the_model_and_have_their_form():
    _, oracle = _victim()
    found = Mlp(hidden=4)(oracle)
    assert found.model is not None
    x = uniform(oracle.access.inputs, 20, np.random.default_rng(3))
    with jax.enable_x64(True):
        logit = np.asarray(found.model.apply(found.variables, jnp.asarray(x)))
    assert np.abs(softmax(logit, axis=1) - oracle(x).probability).max() < 1e-9
    assert (found.parameters["bias0"] >= 0).all()
    np.testing.assert_allclose(found.parameters["weight1"].sum(axis=0), 0, atol=1e-9)


def test_units_that_are_saturated_in_the_middle_of_the_range_are_found_in_its_corner():
    rng = np.random.default_rng(2)
    weight, output = 1 + 0.5 * rng.normal(size=(3, 30)), rng.normal(size=(3, 3))
    access = Access(level="probability", classes=3, inputs=Inputs.box(0, 1, (30,)))
    oracle = from_function(lambda x: softmax(np.tanh(x @ weight.T - 2) @ output.T, axis=1), access)
    found = Mlp()(oracle)
    assert found.complete, found.reason
    x = (rng.random((500, 30)) < 0.05).astype(float)
    alike = fidelity(oracle(x), found.answer(x))
    assert alike.variation_max is not None
    assert alike.variation_max < 1e-9


@pytest.mark.parametrize("classes", [1, 3])
def test_logits_are_stolen_with_their_offset(classes):
    _, oracle = _victim(level="logit", classes=classes)
    found = Mlp(hidden=4)(oracle)
    assert found.complete, found.reason
    x = uniform(oracle.access.inputs, 100, np.random.default_rng(3))
    logit = found.answer(x).logit
    assert logit is not None
    assert np.abs(logit - oracle(x).logit).max() < 1e-9


def test_two_classes_are_enough():
    _, oracle = _victim(classes=2)
    found = Mlp(hidden=4)(oracle)
    assert _alike(oracle, found).agreement > 0.999


def test_relu_units_are_fitted_in_the_span_of_their_gradients_from_many_starts():
    _, oracle = _victim("relu", features=8, hidden=3)
    found = Mlp(activation="relu", hidden=3, starts=16)(oracle)
    assert found.notes["start"] == "random"
    assert _alike(oracle, found).agreement > 0.98


def test_more_units_than_features_and_rounded_answers_are_fitted_from_random_starts():
    _, oracle = _victim(features=3, hidden=3)
    for victim in (oracle, rounded(oracle, 3)):
        found = Mlp(hidden=3, queries=150, starts=4)(victim)
        assert found.notes["start"] == "random"
        assert found.attack_cost.queries == 150
        assert _alike(oracle, found).agreement > 0.95


def test_queries_that_are_too_few_to_be_exact_are_said_to_be():
    _, oracle = _victim(features=20)
    attack = Mlp(hidden=4)
    few = attack.needs(oracle.access) + 5
    found = Mlp(hidden=4, queries=few)(oracle)
    assert found.attack_cost.queries == few
    assert not found.complete
    assert "too few to make it exact" in found.reason
    assert _alike(oracle, found).agreement > 0.99
    with pytest.raises(InputError, match="needs at least"):
        attack(budgeted(oracle, 20))
    with pytest.raises(InputError, match="needs at least"):
        Mlp(hidden=4, queries=20)(oracle)


def test_labels_are_refused_and_so_are_categories_and_values_out_of_range():
    _, oracle = _victim()
    with pytest.raises(InputError, match="mlp cannot work with label"):
        Mlp()(label_only(oracle))
    table = Inputs(low=np.zeros(2), high=np.ones(2), categories=np.array([0, 2]))
    access = Access(level="probability", classes=2, inputs=table)
    with pytest.raises(InputError, match="categories"):
        Mlp()(from_function(lambda x: np.full((len(x), 2), 0.5), access))
    cases: tuple[dict[str, Any], ...] = (
        {"activation": "gelu"},
        {"activation": "relu"},
        {"hidden": 0},
        {"queries": 0},
        {"starts": 0},
    )
    for wrong in cases:
        with pytest.raises(InputError, match=next(reversed(wrong))):
            Mlp(**wrong)

"""Extract and test: the kind of model that answered is found, and paid for once."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from jaxattack.attacks.extraction import Jacobian, Softmax, uniform
from jaxattack.attacks.extraction.equations.hypotheses import REGISTRY, CachingOracle, Hypotheses
from jaxattack.attacks.extraction.equations.rounded import Rounded
from jaxattack.attacks.naming import label
from jaxattack.metrics import fidelity
from jaxattack.oracle import budgeted, from_function, rounded, top_k
from jaxattack.types import Access, InputError, Inputs

_WEIGHT = np.random.default_rng(0).normal(size=(4, 3))
LOGITS = {
    "softmax": lambda x: (x - 2.5) @ _WEIGHT,
    "softmax?features=logarithm": lambda x: 3 * np.log1p(np.abs(x)) @ _WEIGHT,
    "softmax?features=quadratic": lambda x: (x - 2.5) ** 2 @ _WEIGHT + x[:, :1] * x[:, 1:2] @ _WEIGHT[:1],
}


def _victim(name):
    access = Access(level="probability", classes=3, inputs=Inputs.box(0, 5, (4,)))
    return from_function(lambda x: softmax(LOGITS[name](x), axis=1), access)


@pytest.mark.parametrize("name", LOGITS)
def test_the_feature_map_is_found_and_the_model_with_it(name):
    oracle = _victim(name)
    found = Hypotheses()(oracle)
    assert found.complete, found.reason
    assert found.attack == "hypotheses"
    assert found.notes["hypothesis"] == name
    assert found.cost.queries == oracle.ledger.queries
    x = uniform(oracle.access.inputs, 2000, np.random.default_rng(5))
    assert fidelity(oracle(x), found.answer(x)).variation_max < 1e-9  # pyright: ignore[reportOptionalOperand]


@pytest.mark.parametrize("name", LOGITS)
def test_rounded_answers_tell_the_feature_map_too(name):
    oracle = _victim(name)
    found = Hypotheses()(rounded(oracle, 2))
    assert found.converged
    assert found.verdict.disagreements <= 1  # of 500: two decimals may leave one at a boundary open
    assert found.notes["hypothesis"] == name.replace("softmax", "rounded")
    x = uniform(oracle.access.inputs, 2000, np.random.default_rng(5))
    assert fidelity(oracle(x), found.answer(x)).agreement > 0.97


def test_a_kind_that_is_near_is_no_explanation_of_answers_of_few_digits():
    access = Access(level="probability", classes=3, inputs=Inputs.box(0, 5, (4,)), precision="bfloat16")
    victim = from_function(lambda x: _few_digits(softmax(LOGITS["softmax?features=logarithm"](x), axis=1)), access)
    found = Hypotheses()(victim)
    assert found.notes["hypothesis"] == "rounded?features=logarithm"  # rounded is 5% off, less than half the digits
    assert found.notes["variation"] < 0.01


def _few_digits(x):
    return np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)


def test_answers_of_the_top_classes_tell_it():
    found = Hypotheses()(top_k(_victim("softmax?features=logarithm"), 2))
    assert found.notes["hypothesis"] == "rounded?features=logarithm"
    assert found.complete, found.reason


def test_logits_of_the_top_classes_are_compared_as_numbers():
    access = Access(level="logit", classes=3, inputs=Inputs.box(0, 5, (4,)))
    whole = from_function(LOGITS["softmax"], access)
    found = Hypotheses()(top_k(whole, 2))
    assert found.notes["hypothesis"] == "rounded"
    assert found.notes["variation"] < 1e-9
    assert Hypotheses()(top_k(whole, 1)).notes["hypothesis"].startswith("rounded")


def test_how_each_hypothesis_did_is_told():
    found = Hypotheses()(_victim("softmax?features=quadratic"))
    tried = dict(each.split() for each in found.notes["tried"].split("; "))
    assert [name for name in tried if name.startswith("softmax")] == list(LOGITS)
    assert float(tried["softmax"]) > 1e-2
    assert float(tried["softmax?features=quadratic"]) < 1e-9
    assert found.notes["variation"] < 1e-9
    assert found.notes["disagreement"] == 0


def test_a_model_of_no_kind_is_incomplete():
    access = Access(level="probability", classes=2, inputs=Inputs.box(0, 5, (4,)))
    found = Hypotheses()(from_function(lambda x: softmax(np.sin(3 * x[:, :2]), axis=1), access))
    assert not found.complete
    assert "no hypothesis fits" in found.reason


def test_hypotheses_are_given_by_value_and_those_that_do_not_suit_are_left_out():
    chosen = Hypotheses(hypotheses=(Softmax(features="quadratic"), Softmax(), Jacobian()))
    oracle = _victim("softmax")
    assert [label(attack, REGISTRY) for attack in chosen.suited(oracle.access)] == [
        "softmax",
        "softmax?features=quadratic",
    ]
    assert chosen(oracle).notes["hypothesis"] == "softmax"
    with pytest.raises(InputError, match="none of the hypotheses"):
        Hypotheses(hypotheses=(Jacobian(),))(oracle)


def test_one_that_cannot_be_tried_is_named():
    mixed = Hypotheses(hypotheses=(Softmax(), Rounded()))
    found = mixed(top_k(_victim("softmax"), 2))
    assert found.notes["hypothesis"] == "rounded"
    assert "softmax needs every class" in found.notes["refused"]
    with pytest.raises(InputError, match="no hypothesis could be tried"):
        Hypotheses(hypotheses=(Softmax(),))(top_k(_victim("softmax"), 2))


def test_a_regressor_is_tested_on_its_values():
    access = Access(level="logit", classes=1, inputs=Inputs.box(0, 5, (4,)))
    found = Hypotheses()(from_function(lambda x: np.log1p(x) @ _WEIGHT[:, :1], access))
    assert found.notes["hypothesis"] == "softmax?features=logarithm"
    assert found.complete


def test_a_record_is_paid_for_once():
    oracle = _victim("softmax")
    paid, x = CachingOracle(oracle), np.arange(20.0).reshape(5, 4) / 5
    whole, again = oracle(x), paid(x[[0, 1, 1]])
    np.testing.assert_array_equal(again.probability, whole.probability[[0, 1, 1]])
    np.testing.assert_array_equal(paid(x).label, whole.label)
    np.testing.assert_array_equal(paid(x[::-1]).probability, whole.probability[::-1])
    assert oracle.ledger.queries == 10


def test_designs_that_begin_alike_share_their_answers():
    alone = [
        Softmax(features=features)(_victim("softmax")).attack_cost.queries for features in ("logarithm", "quadratic")
    ]
    both = Hypotheses(hypotheses=(Softmax(features="logarithm"), Softmax(features="quadratic")))
    assert both(_victim("softmax?features=quadratic")).attack_cost.queries == 100 + max(alone)


def test_a_budget_too_small_says_what_is_needed():
    with pytest.raises(InputError, match="needs at least 105 queries"):
        Hypotheses()(budgeted(_victim("softmax"), 50))
    found = Hypotheses()(budgeted(_victim("softmax?features=quadratic"), 110))
    assert not found.complete


@pytest.mark.parametrize("wrong", [{"held_out": 0}, {"tolerance": 0.0}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Hypotheses(**wrong)

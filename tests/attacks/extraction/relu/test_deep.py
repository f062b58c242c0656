"""Networks with two and three hidden layers, stolen exactly."""

import jax
import numpy as np
import pytest
from attacks.extraction.relu.peeled_networks import Counting, network
from scipy.special import expit, softmax

from jaxattack.attacks.extraction.relu.deep import ReluDeep
from jaxattack.attacks.extraction.relu.network import align, logits
from jaxattack.oracle import from_function
from jaxattack.types import Access, ExtractionAttack, InputError, Inputs


def error(extraction, net, seed=99):
    x = np.random.default_rng(seed).normal(size=(2000, net.weights[0].shape[1]))
    return np.abs(extraction.answer(x).logit - logits(net, x)).max()


@pytest.mark.parametrize(
    ("sizes", "seed", "queries"),
    [
        ((8, 6, 4, 1), 0, 3_000),
        ((8, 6, 4, 3), 1, 4_000),
        ((6, 9, 5, 1), 2, 8_000),
        ((10, 15, 15, 1), 3, 20_000),
        ((10, 8, 6, 5, 1), 1, 15_000),
    ],
)
def test_a_network_comes_out_exactly(sizes, seed, queries):
    net = network(sizes, seed)
    oracle = Counting(net)
    stolen = ReluDeep(hidden=sizes[1:-1])(oracle, seed=seed)
    assert stolen.complete, stolen.reason
    assert error(stolen, net) < 1e-9
    assert align(stolen.stolen, net).error < 1e-6
    assert stolen.cost.queries == oracle.ledger.queries
    assert stolen.attack_cost.queries <= queries
    assert stolen.notes["missing"] == 0


def test_probabilities_are_enough():
    net = network((8, 6, 4, 3), 4)
    stolen = ReluDeep(hidden=(6, 4))(Counting(net, level="probability"), seed=0)
    assert stolen.complete, stolen.reason
    x = np.random.default_rng(5).normal(size=(500, 8))
    np.testing.assert_allclose(stolen.answer(x).probability, softmax(logits(net, x), axis=1), atol=1e-9)
    np.testing.assert_array_equal(stolen.answer(x).label, logits(net, x).argmax(axis=1))


def test_a_sigmoid_is_enough():
    net = network((8, 6, 4, 1), 4)

    def sigmoid(x):
        p = expit(logits(net, x))
        return np.hstack([1 - p, p])

    access = Access(level="probability", classes=2, inputs=Inputs.box(-1, 1, (8,)))
    stolen = ReluDeep(hidden=(6, 4))(from_function(sigmoid, access), seed=0)
    assert stolen.complete, stolen.reason
    x = np.random.default_rng(5).normal(size=(500, 8))
    np.testing.assert_allclose(np.diff(logits(stolen.stolen, x), axis=1), logits(net, x), atol=1e-8)


def test_the_parameters_are_those_of_the_model():
    net = network((8, 6, 4, 2), 6)
    stolen = ReluDeep(hidden=(6, 4))(Counting(net, box=(-2.0, 3.0)), seed=0)
    assert stolen.model is not None
    x = np.random.default_rng(7).normal(size=(50, 8))
    with jax.enable_x64(True):
        applied = np.asarray(stolen.model.apply(stolen.variables, x))
    np.testing.assert_allclose(applied, stolen.answer(x).logit, atol=1e-12)
    np.testing.assert_allclose(applied, logits(net, x), atol=1e-9)


def test_the_same_seed_asks_the_same():
    net = network((6, 5, 3, 1), 8)
    first, second, other = Counting(net), Counting(net), Counting(net)
    for oracle, seed in ((first, 1), (second, 1), (other, 2)):
        ReluDeep(hidden=(5, 3))(oracle, seed=seed)
    assert len(first.batches) == len(second.batches)
    assert all(np.array_equal(a, b) for a, b in zip(first.batches, second.batches, strict=True))
    assert not np.array_equal(first.batches[0], other.batches[0])


@pytest.mark.parametrize("budget", [100, 500, 900])
def test_a_budget_that_ends_early_gives_the_best_so_far(budget):
    net = network((8, 6, 4, 1), 9)
    oracle = Counting(net, budget=budget)
    stolen = ReluDeep(hidden=(6, 4))(oracle, seed=0)
    assert not stolen.complete
    assert "budget" in stolen.reason
    assert stolen.attack_cost.queries <= budget
    assert np.isfinite(stolen.answer(np.zeros((2, 8))).logit).all()


def test_a_budget_that_ends_while_it_is_checked_gives_the_network():
    net = network((8, 6, 4, 1), 0)
    needed = ReluDeep(hidden=(6, 4))(Counting(net), seed=0).attack_cost.queries
    stolen = ReluDeep(hidden=(6, 4))(Counting(net, budget=needed - 1), seed=0)
    assert not stolen.complete
    assert error(stolen, net) < 1e-9


def test_a_budget_too_small_to_learn_anything_says_what_is_needed():
    attack = ReluDeep(hidden=(6, 4))
    oracle = Counting(network((8, 6, 4, 1), 9), budget=5)
    with pytest.raises(InputError, match=f"needs at least {attack.needs(oracle.access)}"):
        attack(oracle)


def test_widths_that_are_wrong_end_in_a_reason_that_names_the_layer():
    net = network((8, 6, 4, 1), 10)
    stolen = ReluDeep(hidden=(9, 4), lines=12)(Counting(net), seed=0)
    assert not stolen.complete
    assert "6 of 9 neurons of layer 1" in stolen.reason


def test_a_second_layer_too_narrow_is_noticed_by_fresh_queries():
    net = network((8, 6, 4, 1), 11)
    stolen = ReluDeep(hidden=(6, 2), idle=2)(Counting(net), seed=0)
    assert not stolen.complete
    assert "fresh queries" in stolen.reason


def test_it_is_an_extraction_attack_and_counts_what_it_needs():
    attack = ReluDeep(hidden=(6, 4))
    assert isinstance(attack, ExtractionAttack)
    assert attack.name == "relu-deep"
    access = Counting(network((8, 6, 4, 3), 0)).access
    assert attack.needs(access) == (9 * 6 + 7 * 4 + 5 * 3) // 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": (5,)}, "hidden is"),
        ({"hidden": (5, 0)}, "hidden is"),
        ({"hidden": (5, 3), "tolerance": 0.0}, "tolerance is"),
        ({"hidden": (5, 3), "lines": 0}, "lines is"),
        ({"hidden": (5, 3), "idle": 0}, "idle is"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        ReluDeep(**settings)


@pytest.mark.parametrize(
    "terms",
    [
        {"precision": "float32"},
        {"decimals": 3},
        {"top": 1},
        {"inputs": Inputs(low=np.zeros(8), high=np.ones(8), categories=np.full(8, 2))},
    ],
)
def test_answers_that_are_not_exact_are_refused(terms):
    oracle = Counting(network((8, 6, 4, 2), 0))
    oracle.access = Access(**{"level": "logit", "classes": 2, "inputs": Inputs.box(-1, 1, (8,)), **terms})
    with pytest.raises(InputError, match="relu-deep|are categories"):
        ReluDeep(hidden=(6, 4))(oracle)

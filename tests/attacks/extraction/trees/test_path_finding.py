"""Trees by path finding: exactly the victim where identities differ, nearly where they do not, by complete and partial queries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, export_text

from jaxattack.attacks.extraction import PathFinding, Tree, uniform
from jaxattack.oracle import budgeted, from_estimator, from_function
from jaxattack.types import Access, InputError, Inputs


def _inputs(x):
    low, high = x.min(axis=0), x.max(axis=0)
    return Inputs(low=low, high=np.where(high > low, high, low + 1), categories=np.zeros(x.shape[1], int))


def _regression(leaves=40, seed=0, features=6):
    """A tree whose leaves all answer differently."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (800, features))
    y = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + rng.normal(size=800)
    return DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=seed).fit(x, y), Inputs.box(-1, 1, (features,))


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("leaves", [2, 80])
def test_a_tree_of_unique_leaves_is_recovered_exactly(partial, leaves):
    tree, inputs = _regression(leaves)
    oracle = from_estimator(tree, inputs=inputs, partial=partial)
    found = PathFinding(partial=partial)(oracle)
    assert found.complete, found.reason
    assert found.stolen.leaves == tree.get_n_leaves() == found.notes["leaves"]
    assert found.cost.calls <= 400
    x = uniform(inputs, 100_000, np.random.default_rng(1))
    answer = found.answer(x)
    assert answer.logit is not None
    np.testing.assert_array_equal(answer.logit[:, 0], tree.predict(x))
    np.testing.assert_array_equal(found.stolen.predict(x), tree.predict(x))


@pytest.mark.parametrize("partial", [False, True])
def test_classifiers_with_few_shared_identities_agree_nearly_everywhere(partial):
    x, y = load_iris(return_X_y=True)
    tree = DecisionTreeClassifier(min_samples_leaf=3, random_state=0).fit(x, y)
    found = PathFinding(partial=partial)(from_estimator(tree, inputs=_inputs(x), partial=partial))
    random = uniform(_inputs(x), 20_000, np.random.default_rng(1))
    assert np.mean(found.answer(x).label == tree.predict(x)) > 0.95
    assert np.mean(found.answer(random).label == tree.predict(random)) > 0.95


def test_categories_are_split_as_sets():
    inputs = Inputs(low=np.array([0.0, 0.0]), high=np.array([4.0, 1.0]), categories=np.array([5, 0]))
    access = Access(level="logit", classes=1, inputs=inputs)

    def answer(x):
        return np.where(np.isin(x[:, 0], (1, 4)), np.where(x[:, 1] <= 0.25, 1.0, 2.0), 3.0)[:, None]

    found = PathFinding()(from_function(answer, access))
    x = uniform(inputs, 10_000, np.random.default_rng(0))
    np.testing.assert_array_equal(found.answer(x).logit, answer(x))
    assert found.stolen.leaves == 3
    assert "{1, 4}" in found.stolen.text() or "{0, 2, 3}" in found.stolen.text()


@settings(max_examples=40)
@given(seed=st.integers(0, 50), leaves=st.integers(2, 15))
def test_any_small_tree_is_recovered_whatever_its_shape(seed, leaves):
    tree, inputs = _regression(leaves, seed, features=3)
    found = PathFinding()(from_estimator(tree, inputs=inputs))
    x = uniform(inputs, 3000, np.random.default_rng(seed + 1))
    np.testing.assert_array_equal(found.stolen.predict(x), tree.predict(x))


def test_the_text_is_the_tree_as_scikit_learn_writes_it():
    tree, inputs = _regression(3)
    stolen: Tree = PathFinding()(from_estimator(tree, inputs=inputs)).stolen
    kinds = [[line.count("<="), line.count("> "), line.count("value")] for line in stolen.text().splitlines()]
    assert sorted(kinds) == sorted(
        [line.count("<="), line.count("> "), line.count("value")] for line in export_text(tree).splitlines()
    )


def test_a_constant_victim_is_one_leaf():
    access = Access(level="logit", classes=1, inputs=Inputs.box(0, 1, (4,)))
    found = PathFinding()(from_function(lambda x: np.full((len(x), 1), 7.0), access))
    assert found.stolen.leaves == 1
    np.testing.assert_array_equal(found.stolen.predict(np.zeros((2, 4))), 7.0)


def test_a_budget_that_ends_early_returns_a_coarser_tree_that_says_so():
    tree, inputs = _regression(40)
    asked = PathFinding()(from_estimator(tree, inputs=inputs)).attack_cost.queries
    found = PathFinding()(budgeted(from_estimator(tree, inputs=inputs), asked // 2))
    assert not found.complete
    assert "budget" in found.reason
    assert found.stolen.predict(np.zeros((3, 6))).shape == (3,)


def test_partial_queries_of_a_victim_that_takes_none_are_refused():
    tree, inputs = _regression(4)
    with pytest.raises(InputError, match="path-finding"):
        PathFinding(partial=True)(from_estimator(tree, inputs=inputs))


@pytest.mark.parametrize("wrong", [{"eps": 0.0}, {"eps": 0.7}, {"calls": 0}])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        PathFinding(**wrong)


def _agreement(found, tree, x):
    return np.mean(found.answer(x).label == tree.predict(x))


@pytest.mark.parametrize("partial", [False, True])
def test_a_tree_of_pure_leaves_is_found_though_it_nearly_always_answers_alike(partial):
    x, y = load_wine(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0).fit(x, y)  # 12 leaves, 3 identities
    found = PathFinding(partial=partial)(from_estimator(tree, inputs=_inputs(x), partial=partial))
    assert found.converged
    # Complete queries leave leaves unseen behind ones that answer alike, and verifying what was stolen tells.
    assert found.complete == partial
    assert found.notes["agreed"] >= found.attack_cost.queries // 10
    assert found.cost.calls <= 400
    assert found.attack_cost.queries <= (600 if partial else 4000)
    assert _agreement(found, tree, x) > 0.98
    assert _agreement(found, tree, uniform(_inputs(x), 20_000, np.random.default_rng(1))) > 0.99


def test_a_descent_through_nodes_of_their_own_finds_pure_leaves_in_thirty_dimensions():
    x, y = load_breast_cancer(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0).fit(x, y)  # 22 leaves, 2 identities
    found = PathFinding(partial=True)(from_estimator(tree, inputs=_inputs(x), partial=True))
    # A region is missed, which 17 of 16,000 inputs to compare on are in.
    assert found.converged
    assert found.notes["leaves"] >= 20
    assert found.attack_cost.queries <= 2000
    assert _agreement(found, tree, x) > 0.99
    assert _agreement(found, tree, uniform(_inputs(x), 20_000, np.random.default_rng(1))) > 0.999


def test_records_that_contradict_the_tree_when_calls_are_used_up_make_it_incomplete():
    x, y = load_breast_cancer(return_X_y=True)
    tree = DecisionTreeClassifier(random_state=0).fit(x, y)
    found = PathFinding(calls=60)(from_estimator(tree, inputs=_inputs(x)))
    assert not found.complete
    assert "answered otherwise" in found.reason


def test_two_thirds_of_a_budget_are_put_to_use():
    tree, inputs = _regression(40)
    whole = PathFinding()(from_estimator(tree, inputs=inputs))
    part = PathFinding().steal(budgeted(from_estimator(tree, inputs=inputs), 2 * whole.attack_cost.queries // 3))
    x = uniform(inputs, 5000, np.random.default_rng(1))
    assert np.var(part.stolen.predict(x) - tree.predict(x)) < 0.5 * np.var(tree.predict(x))
    assert part.stolen.leaves > 15

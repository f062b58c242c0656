"""Softmax regression from rounded answers and from those of the top classes: consistent, and nearer than plain squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import minmax_scale

from jaxattack.attacks.extraction import Softmax, uniform
from jaxattack.attacks.extraction.equations.adaptive import between
from jaxattack.attacks.extraction.equations.bounds import WITHIN, Bounds, barrier, bounds, consistent, values
from jaxattack.attacks.extraction.equations.rounded import Rounded
from jaxattack.metrics import fidelity
from jaxattack.oracle import budgeted, from_estimator, from_function, rounded, top_k
from jaxattack.types import Access, Answer, InputError, Inputs


def _victim(*, scale=1.0, level="probability", features=6, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    weight, bias = scale * rng.normal(size=(features, classes)), rng.normal(size=classes)
    access = Access(level=level, classes=classes, inputs=Inputs.box(-1, 1, (features,)))
    answer = (lambda x: x @ weight + bias) if level == "logit" else (lambda x: softmax(x @ weight + bias, axis=1))
    return from_function(answer, access)


def _apart(found, oracle, queries=3000):
    x = uniform(oracle.access.inputs, queries, np.random.default_rng(5))
    return fidelity(oracle(x), found.answer(x))


def test_two_decimals_come_out_ten_times_nearer_than_by_plain_squares():
    make = lambda: _victim(features=20, classes=5)  # noqa: E731
    plain, found = (attack(rounded(make(), 2)) for attack in (Softmax(queries=105), Rounded(queries=105)))
    assert found.complete, found.reason
    assert found.attack_cost.queries == 105 < plain.attack_cost.queries
    near, far = _apart(found, make()), _apart(plain, make())
    assert near.variation_mean is not None
    assert far.variation_mean is not None
    assert near.variation_mean < far.variation_mean / 10


@pytest.mark.parametrize("level", ["probability", "logit"])
@pytest.mark.parametrize("decimals", [1, 3, 6])
def test_every_answer_rounds_to_what_was_seen(level, decimals):
    oracle = _victim(level=level)
    access = rounded(oracle, decimals).access
    x = uniform(access.inputs, 60, np.random.default_rng(1))
    limits = bounds(access, np.insert(x, 6, 1, axis=1), rounded(oracle, decimals)(x))
    found = consistent(limits)
    assert found.excess < WITHIN
    mine = values(access, limits.columns @ found.weight)
    truth = oracle(x).logit if level == "logit" else oracle(x).probability
    np.testing.assert_allclose(mine, np.round(truth, decimals), atol=0.5 * 10.0**-decimals * (1 + WITHIN))


def test_the_centre_of_an_interval_is_its_middle():
    # A number between 1.5 and 2.5, and a number 0.4 larger between 1.5 and 2.5: between 1.5 and 2.1.
    access = Access(level="logit", classes=1, inputs=Inputs.box(0, 1, (1,)), decimals=0)
    limits = bounds(access, np.ones((2, 1)), Answer(np.zeros(2, int), None, np.full((2, 1), 2.0)))
    limits = limits._replace(middle=np.array([[2.0], [1.6]]))
    # The four bounds pull at 1.8 with (1 / 0.7 + 1 / 0.3) from either side.
    assert consistent(limits).weight[0, 0] == pytest.approx(1.8, abs=1e-6)


def test_the_barrier_has_its_slope_within_its_bounds_and_beyond():
    access, value = (
        Access(level="logit", classes=1, inputs=Inputs.box(0, 1, (1,))),
        np.linspace(-2.95, 2.95, 60)[:, None],
    )
    ones = np.ones_like(value)
    limits = Bounds(ones, 0 * ones, ones, access)
    ahead, behind = (barrier(limits, value + step).cost for step in (1e-6, -1e-6))
    np.testing.assert_allclose((ahead - behind) / 2e-6, barrier(limits, value).pull, rtol=1e-5, atol=1e-7)
    near = np.abs(value) < 0.9
    plain = -np.log(1 - value[near]) - np.log(1 + value[near])
    np.testing.assert_allclose(barrier(limits, value).cost[near], plain)
    withheld = barrier(limits._replace(middle=np.nan * ones), value)
    assert not any(part.any() for part in withheld)


@pytest.mark.parametrize(("top", "limit"), [(1, 1e-9), (2, 1e-9), (3, 1e-9)])
def test_exact_answers_of_the_top_classes_are_enough(top, limit):
    oracle = _victim()
    found = Rounded()(top_k(oracle, top))
    assert found.complete, found.reason
    assert _apart(found, oracle).variation_max < limit  # pyright: ignore[reportOptionalOperand]


@pytest.mark.parametrize("top", [2, 4])
def test_exact_confidences_next_to_0_are_as_good_as_others(top):
    """As float64 holds them: of a confident victim most are far below what is added to the largest."""
    found = Rounded()(top_k(_victim(scale=20), top) if top < 4 else _victim(scale=20))
    assert found.complete, found.reason
    largest = _apart(found, _victim(scale=20)).variation_max
    assert largest is not None
    assert largest < 1e-10


def test_rounded_answers_of_the_top_classes_are_used():
    oracle = _victim()
    found = Rounded(queries=200)(rounded(top_k(oracle, 2), 3))
    assert found.complete, found.reason
    assert _apart(found, oracle).variation_mean < 1e-3  # pyright: ignore[reportOptionalOperand]


def test_saturated_answers_are_left_for_where_two_classes_meet():
    x, y = load_breast_cancer(return_X_y=True)
    x = minmax_scale(x, (-1, 1))
    fitted = LogisticRegression(C=100, max_iter=3000).fit(x, y)
    make = lambda: from_estimator(fitted, inputs=Inputs.box(-1, 1, x.shape[1:]))  # noqa: E731
    stolen = Rounded(queries=300)(rounded(make(), 3))
    assert fidelity(make()(x), stolen.answer(x)).agreement > 0.99
    # At the boundary itself answers of three decimals may leave a label open, and then it is not said to be complete.
    assert stolen.complete == (stolen.verdict.disagreements == 0)
    assert stolen.verdict.disagreements <= 5


@pytest.mark.parametrize("decimals", [None, 4])
def test_categories_of_many_values_come_out(decimals):
    inputs = Inputs(low=np.zeros(3), high=np.array([1.0, 29, 14]), categories=np.array([0, 30, 15]))
    rng = np.random.default_rng(0)
    slope, weight, other = rng.normal(size=(1, 3)), rng.normal(size=(30, 3)), rng.normal(size=(15, 3))

    def answer(x):
        return softmax(x[:, :1] @ slope + weight[x[:, 1].astype(int)] + other[x[:, 2].astype(int)], axis=1)

    victim = from_function(answer, Access(level="probability", classes=3, inputs=inputs))
    stolen = Rounded()(victim if decimals is None else rounded(victim, decimals))
    assert stolen.complete, stolen.reason


def test_quadratic_columns_categories_and_a_regressor():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, 3))
    access = Access(level="probability", classes=3, inputs=Inputs.box(-1, 1, (3,)))
    bent = from_function(lambda x: softmax((x**2) @ weight + x @ weight[::-1], axis=1), access)
    assert _apart(Rounded(features="quadratic", queries=200)(rounded(bent, 3)), bent).agreement > 0.99
    inputs = Inputs(low=np.array([-1.0, 0.0]), high=np.array([1.0, 3.0]), categories=np.array([0, 4]))
    steps = np.array([0.3, -1.0, 0.7, 0.1])
    line = from_function(
        lambda x: (2 * x[:, 0] + steps[x[:, 1].astype(int)])[:, None],
        Access(level="logit", classes=1, inputs=inputs),
    )
    found = Rounded(queries=60)(rounded(line, 2))
    assert found.complete, found.reason
    assert _apart(found, line).logit_error < 5e-3  # pyright: ignore[reportOptionalOperand]


def test_another_model_is_told_from_rounding():
    access = Access(level="probability", classes=2, inputs=Inputs.box(-1, 1, (2,)))
    oracle = from_function(lambda x: softmax(np.sin(5 * x), axis=1), access)
    found = Rounded(queries=60)(rounded(oracle, 3))
    assert not found.complete
    assert "not those of such a model" in found.reason


def test_thresholds_lie_halfway_between_rounded_values():
    access = rounded(_victim(), 1).access
    np.testing.assert_allclose(between(access, np.array([[0.0, 0.12, 0.17, 0.71]])), [[0.05, 0.15, 0.15, 0.75]])


def test_a_budget_that_ends_early_leaves_what_was_learnt():
    oracle = _victim()
    found = Rounded(queries=100)(budgeted(rounded(oracle, 3), 70))
    assert not found.complete
    assert (found.attack_cost.queries, found.cost.queries) == (56, 70)
    assert _apart(found, oracle).agreement > 0.95
    with pytest.raises(InputError, match="needs at least 7 queries"):
        Rounded()(budgeted(rounded(oracle, 3), 4))


@pytest.mark.parametrize(("wrong", "named"), [({"queries": 1}, "queries"), ({"features": "cubic"}, "features")])
def test_values_out_of_range_are_refused(wrong, named):
    with pytest.raises(InputError, match=named):
        Rounded(**wrong)


def test_too_few_queries_and_too_many_unknowns_are_refused_before_asking():
    oracle = rounded(_victim(), 2)
    with pytest.raises(InputError, match="at least 7"):
        Rounded(queries=5)(oracle)
    wide = rounded(_victim(features=1000, classes=8), 2)
    with pytest.raises(InputError, match="8,008 unknowns"):
        Rounded()(wide)
    assert oracle.ledger.queries == wide.ledger.queries == 0

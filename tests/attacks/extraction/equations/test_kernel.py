"""Kernel logistic regression comes out with its representers, which are records that it was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel

from jaxattack.attacks.extraction import Mlp, OneVsRest, Softmax, uniform
from jaxattack.attacks.extraction.equations.hypotheses import Hypotheses
from jaxattack.attacks.extraction.equations.kernel import Kernel
from jaxattack.metrics import fidelity
from jaxattack.oracle import budgeted, from_function, rounded, top_k
from jaxattack.types import Access, InputError, Inputs


def _victim(*, features=14, representers=4, classes=3, gamma=0.15, level="probability", single=False, seed=0):
    rng = np.random.default_rng(seed)
    inputs = Inputs.box(-2, 3, (features,))
    kept = rng.uniform(-2, 3, (representers, features))
    weight, bias = 3 * rng.normal(size=(representers, classes)), rng.normal(size=classes)

    def logits(x):
        return rbf_kernel(x.reshape(len(x), -1), kept, gamma=gamma / features) @ weight + bias

    def confidences(x):
        share = softmax(logits(x), axis=1)
        return share.astype(np.float32) if single else share

    access = Access(level=level, classes=classes, inputs=inputs, precision="float32" if single else "float64")
    return kept, gamma / features, from_function(logits if level == "logit" else confidences, access)


def _closest(found, records):
    apart = found.parameters["representer"][:, None] - records
    return np.sqrt((apart**2).sum(axis=2)).min(axis=1)


def test_the_representers_of_digits_are_the_records_it_was_trained_on():
    x, y = load_digits(return_X_y=True)
    x = x / 16
    kept = x[np.random.default_rng(3).choice(len(x), 20, replace=False)]
    gamma = 1 / (64 * x.var())
    fitted = LogisticRegression(max_iter=500).fit(rbf_kernel(x, kept, gamma=gamma), y)
    access = Access(level="probability", classes=10, inputs=Inputs.box(0, 1, (64,)))
    oracle = from_function(lambda q: fitted.predict_proba(rbf_kernel(q, kept, gamma=gamma)), access)
    found = Kernel()(oracle)
    assert found.complete, found.reason
    assert found.attack_cost.queries == 1280 < 1490
    assert found.notes["representers"] == 20
    assert found.notes["gamma"] == pytest.approx(gamma, rel=1e-9)
    # Records of 64 numbers in 0..1 lie several units apart; those that leaked are in the training set to rounding error.
    assert _closest(found, x).max() < 1e-6
    assert np.abs(found.parameters["representer"][:, None] - kept).max(axis=2).min(axis=0).max() < 1e-6
    queries = uniform(access.inputs, 2000, np.random.default_rng(5))
    assert fidelity(oracle(queries), found.answer(queries)).variation_max < 1e-9  # pyright: ignore[reportOptionalOperand]


@pytest.mark.parametrize("level", ["probability", "logit"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_width_number_and_place_of_the_representers_are_found(level, classes):
    kept, gamma, oracle = _victim(classes=classes, level=level)
    found = Kernel()(oracle)
    assert found.complete, found.reason
    assert found.parameters["representer"].shape == kept.shape
    assert float(found.parameters["gamma"]) == pytest.approx(gamma, rel=1e-6)
    assert _closest(found, kept).max() < 1e-5


def test_answers_of_single_precision_are_polished():
    _, gamma, oracle = _victim(single=True, gamma=2.0)
    found = Kernel()(oracle)
    assert found.notes["gamma"] == pytest.approx(gamma, rel=0.05)
    x = uniform(oracle.access.inputs, 2000, np.random.default_rng(5))
    assert fidelity(oracle(x), found.answer(x)).agreement > 0.999


def test_more_representers_than_half_the_features_are_an_honest_failure():
    _, _, oracle = _victim(features=6, representers=8, gamma=3.0)
    found = Kernel()(oracle)
    assert not found.complete
    assert found.attack_cost.queries == Kernel().needs(oracle.access)
    assert "more features in a half than representers" in found.reason
    assert found.answer(np.zeros((3, 6))).label.shape == (3,)


def test_a_record_of_few_numbers_is_answered_for_too():
    _, _, oracle = _victim(features=2, representers=2)
    found = Kernel()(oracle)
    assert found.attack_cost.queries == Kernel().needs(oracle.access)


@pytest.mark.parametrize("attack", [Kernel(), Mlp(hidden=2, starts=2), Softmax(), OneVsRest(), Hypotheses()])
@pytest.mark.parametrize("features", [2, 6])
def test_answers_that_are_all_saturated_end_in_a_draft_with_its_reason_and_cost(attack, features):
    access = Access(level="probability", classes=3, inputs=Inputs.box(-1, 1, (features,)))
    steps = from_function(lambda x: np.eye(3)[(x[:, 0] > 0.2).astype(int)], access)
    found = attack(steps)
    assert not found.complete
    assert "answers are saturated" in found.reason or "no hypothesis fits" in found.reason
    assert found.cost.queries == steps.ledger.queries
    assert found.attack_cost.queries > 0
    assert np.unique(found.answer(uniform(access.inputs, 50, np.random.default_rng(5))).label).size == 1


def test_it_is_one_of_the_hypotheses():
    kept, _, oracle = _victim()
    found = Hypotheses(hypotheses=(Softmax(), Kernel()))(oracle)
    assert found.complete, found.reason
    assert found.notes["hypothesis"] == "kernel"
    assert _closest(found, kept).max() < 1e-5


def test_terms_it_cannot_work_with_are_refused_before_asking():
    _, _, oracle = _victim()
    with pytest.raises(InputError, match="kernel needs every class"):
        Kernel()(top_k(oracle, 2))
    categories = Access(
        level="probability", classes=2,
        inputs=Inputs(low=np.zeros(4), high=np.ones(4), categories=np.full(4, 2)),
    )  # fmt: skip
    with pytest.raises(InputError, match="categories"):
        Kernel()(from_function(lambda x: softmax(x[:, :2], axis=1), categories))
    assert oracle.ledger.queries == 0


def test_a_budget_too_small_says_what_is_needed():
    _, _, oracle = _victim()
    needs = Kernel().needs(oracle.access)
    with pytest.raises(InputError, match=f"needs at least {needs} queries"):
        Kernel()(budgeted(oracle, needs - 1))
    found = Kernel()(budgeted(oracle, needs))
    assert found.converged
    assert "nothing was left to verify it on" in found.reason


def test_rounded_answers_are_an_honest_failure():
    _, _, oracle = _victim(features=8, representers=2)
    assert not Kernel()(rounded(oracle, 2)).complete


def test_no_representers_are_refused():
    with pytest.raises(InputError, match="representers"):
        Kernel(representers=0)

"""Complete means verified: on inputs that were not asked, out of a part of the budget that was reserved, and without fault."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from jaxattack.attacks.extraction import ATTACKS, Relu, Rounded, Softmax, extract_many, uniform
from jaxattack.attacks.extraction.verification import Allowance, Attack, differ
from jaxattack.oracle import budgeted, from_estimator, from_function, rounded
from jaxattack.types import (
    EVERY_LEVEL,
    Access,
    Answer,
    BudgetSpent,
    Draft,
    Extraction,
    InputError,
    Inputs,
    Tally,
    Verdict,
    Verification,
)

BOX = Inputs.box(-1, 1, (3,))
WEIGHT = np.array([[1.0, -1.0], [0.5, 0.0], [-0.25, 2.0]])
ACCESS = Access(level="probability", classes=2, inputs=BOX)


def _answer(x):
    return softmax(x @ WEIGHT, axis=1)


def _linear():
    return from_function(_answer, ACCESS)


class _Recorded:
    """An oracle with a budget that remembers what it was asked."""

    def __init__(self, oracle, queries):
        self.oracle, self.asked = budgeted(oracle, queries), []
        self.access = oracle.access

    ledger = property(lambda self: self.oracle.ledger)
    left = property(lambda self: self.oracle.left)

    def __call__(self, x, bias=None):
        answer = self.oracle(x, bias)
        self.asked.append(np.array(x))
        return answer


@dataclass(frozen=True, kw_only=True)
class _Scripted(Attack):
    """Asks so many queries, and comes to its end with whatever model it is told."""

    model: object
    queries: int = 50
    exact: bool = True

    name = "scripted"
    levels = EVERY_LEVEL
    pool = False

    def needs(self, access):
        return 1

    def run(self, theft):
        x = theft.pool
        x = uniform(theft.access.inputs, self.queries, theft.rng) if x is None else x[: self.queries]
        try:
            theft.oracle(x)
        except BudgetSpent as spent:
            x = x[: spent.left]
            theft.oracle(x)
        return Draft(stolen=None, answer=self.model(x), exact=self.exact)


def _right(x):
    return lambda x: Answer((p := _answer(x)).argmax(axis=1), p)


def _by_heart(x):
    """What was asked is answered rightly, and nothing else is."""
    known = {record.tobytes() for record in x}

    def answer(x):
        p = _answer(x)
        p[[record.tobytes() not in known for record in x]] = [0.9, 0.1]
        return Answer(p.argmax(axis=1), p)

    return answer


def test_a_model_that_is_the_victim_is_complete_and_the_bound_follows_from_the_trials():
    oracle = _linear()
    found = _Scripted(model=_right)(oracle)
    assert found.complete, found.reason
    assert found.verdict.disagreements == 0
    assert found.verdict.trials == found.verdict.cost.queries > 450
    assert found.verdict.bound == pytest.approx(1 - 0.05 ** (1 / found.verdict.trials))
    assert found.verdict.bound == pytest.approx(3 / found.verdict.trials, rel=0.02)
    assert found.attack_cost.queries == 50
    assert found.cost.queries == oracle.ledger.queries == 50 + found.verdict.trials


def test_complete_can_be_set_by_nobody():
    draft = _Scripted(model=_right).steal(_linear())
    assert draft.converged
    assert not hasattr(draft, "complete")
    with pytest.raises(TypeError):
        Extraction(**vars(draft), verdict=Verdict(), complete=True)
    assert not Extraction(**vars(draft), verdict=Verdict(reason="nothing was left.")).complete


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_called_through_the_one_place(name):
    assert type(ATTACKS[name]).__call__ is Attack.__call__


@pytest.mark.parametrize("pool", [None, np.random.default_rng(5).uniform(-1, 1, (60, 3))])
def test_what_the_attack_asked_verifies_nothing(pool):
    oracle = _Recorded(_linear(), 10_000)
    found = _Scripted(model=_by_heart)(oracle, pool=pool)
    assert found.converged
    assert not found.complete
    assert found.verdict.disagreements > 100
    mine, fresh = ({record.tobytes() for record in x} for x in oracle.asked)
    assert len(mine) == 50
    assert len(fresh) == found.verdict.trials
    assert not mine & fresh


def test_a_part_of_the_budget_is_reserved_before_the_attack_starts():
    oracle = _Recorded(_linear(), 600)
    found = _Scripted(model=_right, queries=10_000)(oracle)
    assert [len(x) for x in oracle.asked] == [480, 120]
    assert found.complete, found.reason
    thrifty = _Recorded(_linear(), 600)
    assert not _Scripted(model=_right, queries=10_000)(thrifty, verification=Verification(share=0.01)).complete
    assert [len(x) for x in thrifty.asked] == [594, 6]


def test_a_budget_that_the_attack_needs_whole_leaves_nothing_to_verify_on():
    found = Softmax()(budgeted(_linear(), 4))
    assert found.converged
    assert not found.complete
    assert found.reason.startswith("nothing was left to verify it on")
    assert (found.cost.queries, found.verdict.trials, found.verdict.bound) == (4, 0, 1.0)
    few = Softmax()(budgeted(_linear(), 60))
    assert not few.complete
    assert few.verdict.disagreements == 0
    assert "takes 100 to be verified" in few.reason
    assert Softmax()(budgeted(_linear(), 200)).complete


def test_no_trials_verify_nothing():
    found = _Scripted(model=_right)(_linear(), verification=Verification(trials=0))
    assert (found.converged, found.complete) == (True, False)
    assert found.cost.queries == 50


def test_numbers_count_where_the_attack_claims_them_and_labels_where_it_does_not():
    def shifted(x):
        return lambda x: Answer((p := _answer(x)).argmax(axis=1), np.abs(p - 1e-4))

    assert _Scripted(model=shifted, exact=False)(_linear()).complete
    found = _Scripted(model=shifted)(_linear())
    assert found.verdict.disagreements == found.verdict.trials


def test_a_model_that_is_wrong_beside_its_boundary_alone_is_found_out():
    def moved(x):
        return lambda x: Answer(softmax(x @ WEIGHT + [0.02, 0.0], axis=1).argmax(axis=1))

    found = _Scripted(model=moved, exact=False)(_linear())
    places = found.verdict.tallies
    assert places["boundary"].disagreements > 10
    assert places["uniform"].disagreements <= 3
    assert not found.complete


def test_answers_that_are_all_alike_verify_nothing():
    def constant(x):
        return lambda x: Answer(np.zeros(len(x), np.int64), np.tile([1.0, 0.0], (len(x), 1)))

    saturated = from_function(lambda x: np.tile([1.0, 0.0], (len(x), 1)), ACCESS)
    found = _Scripted(model=constant)(saturated)
    assert (found.verdict.disagreements, found.complete) == (0, False)
    assert "answered with class 0" in found.reason
    number = Access(level="logit", classes=1, inputs=BOX)
    flat = from_function(lambda x: np.ones(len(x)), number)
    found = Relu()(flat)
    assert not found.complete


def test_a_network_without_neurons_is_compared_too():
    access = Access(level="logit", classes=1, inputs=BOX)
    curved = from_function(lambda x: 1e-9 * np.sin(5 * x[:, 0]) + x[:, 1], access)
    assert Relu()(from_function(lambda x: x @ WEIGHT[:, 0], access)).complete
    found = Relu()(curved)
    if found.converged and not found.notes["neurons"]:
        assert found.verdict.trials


def test_many_networks_at_once_are_verified_each():
    access = Access(level="logit", classes=1, inputs=BOX)

    def bent(x):
        return np.maximum(x @ WEIGHT, 0) @ np.array([1.0, -2.0])

    alone = Relu()(from_function(bent, access))
    roomy, tight = extract_many(Relu(), [from_function(bent, access), budgeted(from_function(bent, access), 60)])
    assert isinstance(roomy, Extraction)
    assert roomy.complete, roomy.reason
    assert roomy.verdict.tallies == alone.verdict.tallies
    assert not isinstance(tight, Extraction) or not tight.complete


def test_raw_columns_need_records_or_are_not_called_complete():
    x, y = load_breast_cancer(return_X_y=True)
    inputs = Inputs(low=x.min(axis=0), high=x.max(axis=0), categories=np.zeros(30, int))
    fitted = LogisticRegression(max_iter=50, tol=1e-2).fit(x / 1000, y)
    fitted.coef_ /= 1000
    victim = lambda: from_estimator(fitted, inputs=inputs)  # noqa: E731
    right = Softmax()(victim(), pool=x[:200])
    assert right.complete, right.reason
    coarse = Rounded(queries=31)(rounded(victim(), 3), pool=x[:200])
    agreed = np.mean(coarse.answer(x).label == victim()(x).label)
    assert agreed > 0.97 or not coarse.complete


def test_a_victim_that_breaks_while_it_is_verified_costs_nobody_what_was_stolen():
    calls = []

    def breaking(x):
        calls.append(len(x))
        if len(calls) > 1:
            raise InputError("the service is down: try later.")
        return _answer(x)

    found = _Scripted(model=_right)(from_function(breaking, ACCESS))
    assert found.converged
    assert found.reason == "it could not be compared with the victim: the service is down: try later."


def test_equations_without_a_solution_end_in_a_sentence():
    def singular(x):
        return np.linalg.inv(np.zeros((2, 2)))

    for theft in (_Scripted(model=singular), _Scripted(model=singular).steal):
        with pytest.raises(InputError, match="the equations that scripted reads .* have no solution"):
            theft(_linear())


def test_the_same_seed_verifies_on_the_same_inputs():
    first, second, other = (_Recorded(_linear(), 10_000) for _ in range(3))
    _Scripted(model=_right)(first)
    _Scripted(model=_right)(second)
    _Scripted(model=_right)(other, seed=1)
    np.testing.assert_array_equal(first.asked[1], second.asked[1])
    assert first.asked[1].shape != other.asked[1].shape or (first.asked[1] != other.asked[1]).any()


@settings(deadline=None)
@given(trials=st.integers(1, 400), wrong=st.integers(0, 400))
def test_the_bound_covers_what_was_seen(trials, wrong):
    wrong = min(wrong, trials)
    bound = Verdict(tallies={"uniform": Tally(trials, wrong)}).bound
    assert wrong / trials <= bound <= 1
    if not wrong:
        assert (1 - bound) ** trials == pytest.approx(0.05)


@pytest.mark.parametrize("wrong", [{"trials": -1}, {"minimum": 0}, {"share": 0.0}, {"share": 1.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Verification(**wrong)


def test_an_allowance_says_what_is_reserved_and_what_was_asked():
    allowance = Allowance(_linear(), 5, 2)
    x = np.arange(15.0).reshape(5, 3) / 15
    allowance(x[:3])
    assert allowance.left == 2
    np.testing.assert_array_equal(allowance.fresh(np.concatenate([x, x[4:]])), [0, 0, 0, 1, 1, 0])
    assert not allowance.fresh(-x[:1] * 0.0 + x[:1]).any()
    with pytest.raises(BudgetSpent, match="beside 2 that are reserved"):
        allowance(x)


@pytest.mark.parametrize(
    ("terms", "off", "differs"),
    [
        ({}, 1e-9, False),
        ({}, 1e-6, True),
        ({"precision": "float32"}, 1e-4, False),
        ({"precision": "float32"}, 1e-2, True),
        ({"precision": "bfloat16"}, 0.1, False),
        ({"precision": "bfloat16"}, 0.2, True),
        ({"decimals": 2}, 0.012, False),
        ({"decimals": 2}, 0.02, True),
    ],
)
def test_numbers_differ_by_more_than_their_precision(terms, off, differs):
    access = Access(**{"level": "probability", "classes": 2, "inputs": BOX, **terms})
    victim = Answer(np.zeros(1, int), np.array([[0.8, 0.2]]))
    stolen = Answer(np.zeros(1, int), np.array([[0.8 - off, 0.2 + off]]))
    assert differ(victim, stolen, access, exact=True)[0] == differs
    assert not differ(victim, stolen, access, exact=False)[0]


def test_labels_that_the_victim_ties_do_not_differ_and_withheld_ones_do():
    access = Access(level="probability", classes=3, inputs=BOX, top=1, decimals=2)
    one, other = np.zeros(1, int), np.ones(1, int)
    withheld = np.array([[0.4, np.nan, np.nan]])
    assert differ(Answer(one, withheld), Answer(other, np.full((1, 3), 1 / 3)), access, exact=False)[0]
    tied = Access(level="probability", classes=3, inputs=BOX, decimals=2)
    close = np.array([[0.4, 0.39, 0.21]])
    assert not differ(Answer(one, close), Answer(other, close), tied, exact=False)[0]
    exact = Access(level="probability", classes=3, inputs=BOX)
    assert differ(Answer(one, close), Answer(other, close), exact, exact=False)[0]


@pytest.mark.parametrize("gap", [0.005, 0.1])
def test_labels_of_half_precision_tie_within_its_resolution_and_no_more(gap):
    # 64 roundings of bfloat16 are half of a confidence: whatever was stolen, no label was another within that.
    access = Access(level="probability", classes=2, inputs=BOX, precision="bfloat16")
    p = np.array([[0.5 + gap / 2, 0.5 - gap / 2]])
    zero, one = np.zeros(1, int), np.ones(1, int)
    assert differ(Answer(zero, p), Answer(one, p[:, ::-1]), access, exact=False)[0] == (gap > 0.01)


@pytest.mark.parametrize(
    ("own_gap", "exact", "differs"),
    [(0.09, True, False), (0.09, False, False), (0.35, True, True), (0.35, False, True), (None, False, True)],
)
def test_labels_of_one_decimal_tie_within_a_step_where_the_copy_finds_them_near_too(own_gap, exact, differs):
    # Of .451 and .449 one decimal makes .5 and .4: a copy right to half a step was refused for the other label.
    access = Access(level="probability", classes=2, inputs=BOX, decimals=1)
    victim = Answer(np.zeros(1, int), np.array([[0.5, 0.4]]))
    numbers = None if own_gap is None else np.array([[0.45 - own_gap / 2, 0.45 + own_gap / 2]])
    assert differ(victim, Answer(np.ones(1, int), numbers), access, exact=exact)[0] == differs


def test_logits_are_compared_without_what_classes_share():
    access = Access(level="logit", classes=3, inputs=BOX)
    z = np.random.default_rng(0).normal(size=(50, 3))
    assert not differ(Answer(z.argmax(1), None, z), Answer(z.argmax(1), None, z + 7), access, exact=True).any()
    lone = Access(level="logit", classes=1, inputs=BOX)
    zero = np.zeros(50, int)
    assert differ(Answer(zero, None, z[:, :1]), Answer(zero, None, z[:, :1] + 7), lone, exact=True).all()
    assert differ(Answer(zero, None, z[:, :1]), Answer(zero, None, np.full((50, 1), np.nan)), lone, exact=True).all()

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from jaxattack.oracle import (
    budgeted,
    checked,
    from_estimator,
    from_function,
    label_only,
    noisy,
    rounded,
    tempered,
    top_k,
)
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, OracleError

INPUTS = Inputs.box(-1, 1, (3,))
RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=(3, 4))
X = RNG.uniform(-1, 1, (60, 3))
P = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]])


class Scripted:
    """A victim that answers what it is told, whatever it is asked."""

    def __init__(self, answers, **terms):
        self.answers = list(answers)
        self.access = Access(**{"level": "probability", "classes": 4, "inputs": INPUTS, **terms})
        self.inner = from_function(lambda x: np.zeros(len(x), int), Access(level="label", classes=2, inputs=INPUTS))

    @property
    def ledger(self):
        return self.inner.ledger

    def __call__(self, x, bias=None):
        self.inner(x)
        return self.answers.pop(0)


def network(level="probability", dtype=np.float64, **terms):
    def function(x):
        logit = (x @ WEIGHT * 2).astype(dtype)
        return logit if level == "logit" else softmax(logit, axis=1)

    precision = "float64" if dtype == np.float64 else "float32"
    access = Access(**{"level": level, "classes": 4, "inputs": INPUTS, "precision": precision, **terms})
    return from_function(function, access)


def answer(probability, label=None):
    probability = np.asarray(probability)
    return Answer(probability.argmax(1) if label is None else np.asarray(label), probability)


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (answer(P[:1]), r"labels of shape \(1,\) for 2 queries"),
        (answer(P, [[3], [3]]), r"labels of shape \(2, 1\)"),
        (answer(P, [0.0, 3.0]), "labels of type float64"),
        (answer(P, [0, 4]), "the label 4, which is outside of 0 to 3"),
        (answer(P, [-1, 3]), "the label -1, which is outside"),
        (Answer(np.array([0, 3])), "no probability, which its terms promise"),
        (Answer(np.array([0, 3]), None, np.log(P)), "no probability, which its terms promise"),
        (Answer(np.array([0, 2]), P[:, :3]), r"a probability of shape \(2, 3\) .* it must be floats of shape \(2, 4\)"),
        (Answer(np.array([0, 3]), P[:1]), r"a probability of shape \(1, 4\)"),
        (Answer(np.array([0, 3]), P > 0), "type bool: it must be floats"),
        (Answer(np.array([0, 3]), P.astype(object)), "type object: it must be floats"),
        (answer(np.where(P == 0.4, np.nan, P), [0, 3]), "1 of 2 queries with NaN or infinity in its probability"),
        (answer(np.where(P > 0.35, np.inf, P)), "2 of 2 queries with NaN or infinity"),
        (answer(P, [1, 3]), "1 of 2 labels that are not the highest probability"),
        (answer(np.log(P)), "below 0: are these logits"),
        (answer([[1.25, -0.25, 0, 0], [1, 0, 0, 0]]), "the confidence -0.25, below 0"),
        (answer(P * 0.9123), "sum to 0.9123: they must sum to 1"),
        (answer([[0.25, 0.25, 0.25, 0.25], [0.9, 0.8, 0.7, 0.6]]), "sum to 3: they must sum to 1"),
        (Answer(np.array([0, 3]), P, np.full((2, 4), -np.inf)), "NaN or infinity in its logit"),
        (Answer(np.array([0, 3]), P, -np.log(P)), "not the highest logit"),
    ],
)
def test_an_answer_that_is_none_is_refused_and_named(given_, message):
    with pytest.raises(OracleError, match=message) as refused:
        checked(Scripted([given_]))(X[:2])
    assert isinstance(refused.value, InputError)
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (answer([[0.6, 0.3, 0.1, np.nan]]), "with other than 2 scores"),
        (answer([[0.6, np.nan, np.nan, np.nan]], [0]), "with other than 2 scores"),
        (answer([[0.6, 0.2, np.nan, np.nan]], [2]), "not the highest"),
        (answer([[0.8, 0.8, np.nan, np.nan]], [0]), "sum to 1.6"),
        (answer([[0.8, np.inf, np.nan, np.nan]], [0]), "NaN or infinity"),
    ],
)
def test_answers_of_the_top_k_are_held_to_their_terms(given_, message):
    with pytest.raises(OracleError, match=message):
        checked(Scripted([given_], top=2))(X[:1])


def test_a_victim_that_changes_on_the_way_is_refused_when_it_does():
    oracle = checked(Scripted([answer(P), answer(P[:1]), Answer(P.argmax(1))]))
    oracle(X[:2])
    with pytest.raises(OracleError, match="no probability"):
        oracle(X[:2])


@pytest.mark.parametrize("level", ["probability", "logit"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "terms", [lambda o: o, lambda o: rounded(o, 2), lambda o: rounded(o, 0), lambda o: top_k(o, 2), label_only]
)
def test_an_honest_victim_passes_without_findings(level, dtype, terms):
    oracle = checked(terms(network(level, dtype)))
    for _ in range(3):
        oracle(X)
    assert oracle.findings == {}
    assert oracle.ledger.queries == 181


def test_ties_and_the_edges_of_the_simplex_are_no_faults():
    for rows, label in (([[0.5, 0.5, 0, 0]], [1]), ([[1.0, 0, 0, 0]], [0]), ([[0.25] * 4], [3])):
        assert checked(Scripted([answer(rows, label)]), repeat=False)(X[:1]).label[0] == label[0]
    low = np.nextafter(np.float32(0.5), np.float32(0))
    near = np.array([[0.5, low, 0, 0]], np.float32)
    checked(Scripted([answer(near, [1])], precision="float32"), repeat=False)(X[:1])


@pytest.mark.parametrize("decimals", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("level", ["probability", "logit"])
def test_silent_rounding_is_found_and_its_decimals_are_named(decimals, level):
    def silent(x):
        logit = x @ WEIGHT * 2
        return np.round(logit if level == "logit" else softmax(logit, axis=1), decimals)

    oracle = checked(from_function(silent, Access(level=level, classes=4, inputs=INPUTS)))
    oracle(X)
    assert list(oracle.findings) == ["rounding"]
    assert (
        f"is a multiple of {10**-decimals:.{decimals}f} and the terms say nothing of rounding"
        in (oracle.findings["rounding"])
    )
    assert oracle.findings["rounding"].endswith("the answers are rounded.")


def test_rounding_coarser_than_stated_is_found_and_as_stated_is_not():
    def silent(x):
        return np.round(softmax(x @ WEIGHT, axis=1), 2)

    for stated, found in ((1, False), (2, False), (3, True), (6, True)):
        access = Access(level="probability", classes=4, inputs=INPUTS, decimals=stated)
        oracle = checked(from_function(silent, access))
        oracle(X)
        assert ("rounding" in oracle.findings) == found


def test_silent_rounding_of_the_top_k_and_of_float32_is_found():
    def silent(x):
        return np.round(softmax(x @ WEIGHT, axis=1).astype(np.float32), 3)

    access = Access(level="probability", classes=4, inputs=INPUTS, precision="float32")
    for oracle in (checked(from_function(silent, access)), checked(top_k(from_function(silent, access), 3))):
        oracle(X)
        assert "0.001" in oracle.findings["rounding"]


def test_a_batch_or_two_of_coarse_confidences_is_no_rounding():
    rows = [[0.5, 0.25, 0.25, 0], [1, 0, 0, 0], [0.2, 0.3, 0.5, 0], [0.75, 0.125, 0.125, 0]]
    oracle = checked(Scripted([answer(rows)] * 3, level="probability"), repeat=False)
    for _ in range(3):
        oracle(X[:4])
    assert oracle.findings == {}


DATA = np.random.default_rng(1).uniform(-1, 1, (400, 3))
TRUTH = (DATA @ WEIGHT + np.random.default_rng(2).normal(size=(400, 4))).argmax(1)
COARSE = [
    *(DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=leaves) for leaves in (2, 5, 10, 30, 100)),
    *(DecisionTreeClassifier(min_samples_leaf=samples) for samples in (1, 2, 4, 5, 10, 20)),
    RandomForestClassifier(10, random_state=0),
    RandomForestClassifier(100, random_state=0),
    KNeighborsClassifier(5),
    KNeighborsClassifier(10),
    KNeighborsClassifier(100),
    LogisticRegression(),
    SVC(),
]


@pytest.mark.parametrize("estimator", COARSE, ids=str)
def test_shares_of_leaves_votes_and_neighbours_raise_no_alarm(estimator):
    oracle = checked(from_estimator(estimator.fit(DATA, TRUTH)))
    for _ in range(2):
        oracle(np.random.default_rng(3).uniform(-1, 1, (300, 3)))
    assert oracle.findings == {}


@given(st.integers(0, 10_000), st.integers(2, 40), st.integers(1, 12))
def test_leaves_of_any_binary_tree_raise_no_alarm(seed, leaves, samples):
    rng = np.random.default_rng(seed)
    x, y = rng.random((200, 3)), rng.integers(0, 2, 200)
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, min_samples_leaf=samples, random_state=seed).fit(x, y)
    oracle = checked(from_estimator(tree))
    oracle(rng.random((300, 3)))
    assert oracle.findings == {}


def test_votes_of_two_classes_cannot_be_told_from_rounding_and_the_sentence_says_so():
    forest = RandomForestClassifier(100, random_state=0).fit(DATA, TRUTH > 1)
    oracle = checked(from_estimator(forest))
    oracle(DATA)
    assert "rounded, or shares or sums of such numbers" in oracle.findings["rounding"]


@pytest.mark.parametrize(("rows", "told"), [(5, True), (19, True), (20, False)])
def test_sums_of_exactly_one_clear_a_victim_of_rounding_after_twenty_rows(rows, told):
    # Rounded rows of three sum to 1 three times in four: five of them that do are no rarity, twenty are one in 300.
    rng = np.random.default_rng(0)
    coarse = [row for row in rng.dirichlet(np.ones(3), 400).round(3) if abs(row.sum() - 1) < 1e-9 and (row > 0).all()]
    oracle = checked(Scripted([answer(coarse[:rows])], level="probability", classes=3), repeat=False)
    oracle(X[:rows])
    assert ("rounding" in oracle.findings) == told


def test_a_regression_tree_of_measured_targets_raises_no_alarm():
    regressor = DecisionTreeRegressor(max_leaf_nodes=50).fit(DATA, DATA @ WEIGHT[:, 0])
    oracle = checked(from_estimator(regressor))
    oracle(DATA)
    assert oracle.findings == {}


def test_whole_numbers_tell_nothing_of_rounding():
    access = Access(level="logit", classes=1, inputs=INPUTS)
    oracle = checked(from_function(lambda x: np.arange(float(len(x))), access), repeat=False)
    oracle(X)
    assert oracle.findings == {}


@given(st.sampled_from([np.float64, np.float32]), st.floats(-3, 4), st.integers(0, 10_000))
def test_real_numbers_of_any_size_are_not_taken_for_rounded(dtype, size, seed):
    rng = np.random.default_rng(seed)
    access = Access(level="logit", classes=4, inputs=INPUTS, precision="float64" if dtype == np.float64 else "float32")
    values = (rng.normal(size=(60, 4)) * 10**size).astype(dtype)
    oracle = checked(from_function(lambda x: values[: len(x)], access))
    oracle(X)
    assert oracle.findings == {}


@pytest.mark.parametrize("stored", [np.float32, np.float64])
@pytest.mark.parametrize("level", ["logit", "probability"])
def test_float32_numbers_behind_terms_of_float64_are_found(level, stored):
    victim, access = network(level, np.float32), Access(level=level, classes=4, inputs=INPUTS)
    served = checked(from_function(lambda x: getattr(victim(x), level).astype(stored), access))
    served(X)
    assert list(served.findings) == ["precision"]
    exact = checked(network(level))
    exact(X)
    assert not exact.findings


@pytest.mark.parametrize("unit", [2.0**-10, 37.0], ids=["shares", "prices"])
def test_whole_numbers_and_shares_of_small_ones_are_no_float32_numbers(unit):
    access = Access(level="logit", classes=4, inputs=INPUTS)
    oracle = checked(from_function(lambda x: np.rint(256 * x @ WEIGHT) * unit, access))
    oracle(X)
    assert "precision" not in oracle.findings


def test_confidences_coarser_than_their_precision_are_found():
    oracle = checked(
        from_function(
            lambda x: softmax(x @ WEIGHT, axis=1).astype(np.float32),
            Access(level="probability", classes=4, inputs=INPUTS, precision="float64"),
        )
    )
    oracle(X)
    assert list(oracle.findings) == ["precision"]
    assert "the terms say float64" in oracle.findings["precision"]


@pytest.mark.parametrize("level", ["probability", "logit"])
@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1.0])
def test_noise_is_found_by_asking_one_record_twice(level, scale):
    bare = network(level)
    oracle = checked(noisy(bare, scale, seed=5))
    oracle(X)
    oracle(X)
    assert list(oracle.findings) == ["determinism"]
    assert bare.ledger.queries == 121
    quiet = checked(noisy(network(level), scale), repeat=False)
    quiet(X)
    assert quiet.findings == {}
    assert quiet.ledger.queries == 60


@pytest.mark.parametrize("level", ["probability", "logit"])
def test_answers_in_another_order_than_the_questions_are_told_from_noise(level):
    """As of a service that answers in parallel and puts what it has together as it comes."""
    network_, quiet = network(level), checked(network(level))
    answer = getattr(network_(X), level)
    oracle = checked(from_function(lambda x: getattr(network_(x), level)[::-1], network_.access))
    assert (getattr(oracle(X), level) == answer[::-1]).all()
    assert list(oracle.findings) == ["determinism", "order"]
    assert f"was answered as record {len(X) - 1} of it had been" in oracle.findings["order"]
    quiet(X)
    assert quiet.findings == {}


def test_labels_that_differ_are_found_where_there_is_nothing_else():
    labels = [Answer(np.array([0, 1])), Answer(np.array([1]))]
    oracle = checked(Scripted(labels, level="label"))
    oracle(X[:2])
    assert "by up to 1" in oracle.findings["determinism"]


def test_rounding_of_what_differs_in_its_last_bit_is_no_noise():
    pair = [answer([[0.125, 0.875, 0, 0]]), answer([[0.13, 0.87, 0, 0]])]
    oracle = checked(Scripted(pair, decimals=2))
    oracle(X[:1])
    assert oracle.findings == {}


def test_the_repeated_question_waits_for_a_budget_that_has_room_for_it():
    bare = network()
    oracle = checked(budgeted(bare, 60))
    oracle(X)  # the budget to its last query
    assert bare.ledger.queries == 60
    roomy = checked(budgeted(network(), 61))
    roomy(X)
    assert roomy.ledger.queries == 61


def test_a_repeated_question_that_fails_does_not_lose_the_answer():
    oracle = checked(Scripted([answer(P), answer([[np.nan] * 4]), answer(P)]))
    np.testing.assert_array_equal(oracle(X[:2]).probability, P)
    assert "differently, by up to inf" in oracle.findings["determinism"]
    oracle(X[:2])  # it was answered, and paid for: it is not asked once more


def test_a_repeated_question_that_is_refused_does_not_lose_the_answer_either():
    def in_batches(x):
        if len(x) == 1:
            raise InputError("no single records.")
        return P

    oracle = checked(from_function(in_batches, Access(level="probability", classes=4, inputs=INPUTS)))
    np.testing.assert_array_equal(oracle(X[:2]).probability, P)
    assert oracle.findings == {}


def test_the_repeated_question_has_the_bias_of_the_first():
    seen = []

    def function(x, bias):
        seen.append(bias)
        return softmax(x @ WEIGHT, axis=1)

    access = Access(level="probability", classes=4, inputs=INPUTS, bias=1.0)
    bias = Bias(np.arange(3)[:, None], np.ones((3, 1)))
    checked(from_function(function, access))(X[:3], bias)
    np.testing.assert_array_equal(seen[1].token, [[0]])


def test_no_queries_are_no_first_call():
    oracle = checked(network())
    assert len(oracle(X[:0]).label) == 0
    assert oracle.ledger.queries == 0
    oracle(X[:1])
    assert oracle.ledger.queries == 2


@given(st.floats(0.05, 20), st.integers(0, 1000), st.sampled_from([None, 0, 1, 2, 4]))
def test_whatever_the_defences_answer_is_believed(temperature, seed, decimals):
    oracle = tempered(network(), temperature)
    oracle = noisy(oracle, 0.05, seed)
    oracle = oracle if decimals is None else rounded(oracle, decimals)
    judge = checked(top_k(oracle, 3), repeat=False)
    judge(X)
    assert judge.findings == {}

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from jaxattack.defences.top_k import highest
from jaxattack.oracle import (
    budgeted,
    cached,
    checked,
    defended,
    from_function,
    label_only,
    limited,
    noisy,
    rounded,
    tempered,
    top_k,
)
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, Oracle

INPUTS = Inputs.box(-3, 3, (2,))
WEIGHT = np.array([[1.0, -2.0, 0.5, 3.0], [0.3, 1.0, -1.0, 0.2]])
X = np.random.default_rng(0).uniform(-3, 3, (50, 2))


def victim(level="probability", **terms):
    """A softmax of four classes."""
    access = Access(level=level, classes=4, inputs=INPUTS, **terms)
    return from_function(lambda x, bias=None: network(x, level, bias), access)


def network(x, level, bias=None):
    logit = x @ WEIGHT
    if bias is not None:
        np.add.at(logit, (np.arange(len(x))[:, None], bias.token), bias.value)
    return logit if level == "logit" else softmax(logit, axis=1) if level == "probability" else logit.argmax(1)


def same(answer, other):
    for part, expected in zip(answer, other, strict=True):
        assert (part is None) == (expected is None)
        if part is not None:
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("level", ["probability", "logit"])
@pytest.mark.parametrize("decimals", [0, 1, 3, 17])
def test_rounded_scores_have_so_many_decimals_and_keep_their_label(level, decimals):
    oracle = rounded(victim(level), decimals)
    scores = getattr(oracle(X), level)
    expected = [[round(float(score), decimals) for score in row] for row in network(X, level)]
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    np.testing.assert_array_equal(oracle(X).label, network(X, "label"))
    assert oracle.access.decimals == decimals


def test_rounding_float32_gives_the_decimals_that_a_service_would_write():
    access = Access(level="probability", classes=4, inputs=INPUTS, precision="float32")
    oracle = rounded(from_function(lambda x: network(x, "probability").astype(np.float32), access), 3)
    assert {len(repr(float(p)).partition(".")[2]) <= 3 for p in oracle(X).probability.ravel()} == {True}


def test_the_coarsest_rounding_is_stated():
    assert rounded(rounded(victim(), 2), 5).access.decimals == 2
    assert rounded(rounded(victim(), 5), 2).access.decimals == 2


def naive_highest(row, label, k):
    kept = sorted(range(len(row)), key=lambda cls: (-row[cls], cls != label, cls))[:k]
    return [score if cls in kept else np.nan for cls, score in enumerate(row)]


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.5, -1.0]), min_size=5, max_size=5), max_size=6),
    st.integers(1, 5),
    st.integers(0, 4),
)
def test_the_top_k_are_the_highest_and_ties_go_to_the_label_and_then_to_the_lower_class(rows, k, label):
    scores = np.array(rows).reshape(-1, 5)
    expected = np.array([naive_highest(row, label, k) for row in rows]).reshape(-1, 5)
    np.testing.assert_array_equal(highest(scores, np.full(len(rows), label), k), expected)


def test_of_rounded_scores_that_tie_the_labels_own_is_answered():
    terms = Access(level="probability", classes=3, inputs=Inputs.box(0, 1, (3,)))
    answer = top_k(rounded(from_function(lambda x: x, terms), 1), 1)(np.array([[0.325, 0.33, 0.345]]))
    assert answer.label == [2]
    np.testing.assert_array_equal(answer.probability, [[np.nan, np.nan, 0.3]])


@pytest.mark.parametrize("level", ["probability", "logit"])
def test_top_k_hides_the_others_and_says_so(level):
    oracle = top_k(victim(level), 2)
    scores = getattr(oracle(X), level)
    assert (np.isfinite(scores).sum(1) == 2).all()
    np.testing.assert_array_equal(np.nanmax(scores, axis=1), network(X, level).max(1))
    assert oracle.access.top == 2
    twice = top_k(top_k(victim(level), 2), 3)
    assert twice.access.top == 2
    same(twice(X), oracle(X))


def test_label_only_withholds_every_score():
    oracle = label_only(rounded(top_k(victim(), 2), 3))
    answer = oracle(X)
    assert (answer.probability, answer.logit) == (None, None)
    np.testing.assert_array_equal(answer.label, network(X, "label"))
    assert (oracle.access.level, oracle.access.top, oracle.access.decimals) == ("label", 0, None)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 2.0, 50.0])
def test_a_temperature_divides_the_logits(temperature):
    expected = network(X, "logit") / temperature
    np.testing.assert_allclose(tempered(victim("logit"), temperature)(X).logit, expected, rtol=1e-15)
    answer = tempered(victim(), temperature)(X)
    np.testing.assert_allclose(answer.probability, softmax(expected, axis=1), rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(answer.label, network(X, "label"))


def test_a_temperature_leaves_impossible_classes_impossible():
    sure = from_function(lambda x: np.eye(4)[: len(x)], Access(level="probability", classes=4, inputs=INPUTS))
    np.testing.assert_array_equal(tempered(sure, 3.0)(X[:4]).probability, np.eye(4))


def test_noise_has_the_scale_it_is_given_and_the_label_follows_it():
    many = np.repeat(X[:1], 20_000, axis=0)
    answer = noisy(victim("logit"), 0.5, seed=1)(many)
    noise = answer.logit - network(many, "logit")
    assert abs(noise.std() - 0.5) < 0.01
    assert np.abs(noise.mean(0)).max() < 0.02
    np.testing.assert_array_equal(answer.label, answer.logit.argmax(1))


@given(st.floats(1e-3, 10), st.integers(0, 2**40))
def test_noisy_confidences_are_confidences(scale, seed):
    answer = checked(noisy(victim(), scale, seed), repeat=False)(X)
    assert (answer.probability >= 0).all()
    np.testing.assert_allclose(answer.probability.sum(1), 1)
    np.testing.assert_array_equal(answer.label, answer.probability.argmax(1))


def test_noise_is_new_at_every_call_and_the_same_for_the_same_calls():
    oracle, again, other = (noisy(victim("logit"), 0.1, seed=seed) for seed in (3, 3, 4))
    first, second = oracle(X), oracle(X)
    assert (first.logit != second.logit).all()
    same(again(X), first)
    same(again(X), second)
    assert (other(X).logit != first.logit).all()


def test_noisy_logits_are_believed_where_the_victim_gives_confidences_beside_them():
    def function(x):
        logit = network(x, "logit") / 20
        return Answer(logit.argmax(1), softmax(logit, axis=1), logit)

    oracle = from_function(function, Access(level="logit", classes=4, inputs=INPUTS))
    answer = checked(noisy(oracle, 0.1))(X)
    assert answer.probability is None
    np.testing.assert_array_equal(answer.label, answer.logit.argmax(1))


@pytest.mark.parametrize("between", [lambda oracle: oracle, lambda oracle: cached(rounded(oracle, 9), 100)])
def test_two_noises_of_one_seed_are_independent(between):
    once = noisy(victim("logit"), 0.1)
    x = np.random.default_rng(1).uniform(-3, 3, (1000, 2))
    first = once(x).logit - x @ WEIGHT
    both = noisy(between(noisy(victim("logit"), 0.1)), 0.2)(x).logit - x @ WEIGHT
    assert first.std() == pytest.approx(0.1, rel=0.05)
    assert both.std() == pytest.approx(np.hypot(0.1, 0.2), rel=0.05)  # 0.3 where the second draws what the first does


def test_noise_of_another_first_batch_is_not_the_noise_of_this_one():
    # As after a restart from kept answers: the count of calls begins anew, the batches do not.
    x = X[:1]
    one = noisy(victim("logit"), 1.0)(x).logit - network(x, "logit")
    two = noisy(victim("logit"), 1.0)(x + 1e-9).logit - network(x + 1e-9, "logit")
    assert np.abs(one - two).min() > 1e-3


def test_a_defence_costs_nothing_and_counts_nothing_of_its_own():
    bare = victim()
    oracle = label_only(top_k(rounded(noisy(tempered(bare, 2.0), 0.1), 3), 2))
    oracle(X)
    assert oracle.ledger == bare.ledger
    assert oracle.ledger.queries == 50


@dataclass(frozen=True)
class Twice:
    """Asks about every query a second time."""

    resolution, fresh = 0.0, False

    def access(self, before):
        return before

    def fit(self, key, endpoint, y, member):
        return ()

    def questions(self, state, x):
        return np.stack([x, x])

    def answer(self, state, answer, x, key):
        return answer.take(0)


def test_what_a_defence_asks_beside_the_queries_is_not_counted_of_a_call_that_fails_either():
    def function(x):
        return network(x, "probability") if not (x == 0).any() else 1 / 0

    bare = from_function(function, Access(level="probability", classes=4, inputs=INPUTS), price=0.5)
    account = budgeted(defended(defended(bare, Twice()), Twice()), 100)
    account(X[:10])
    with pytest.raises(ZeroDivisionError):
        account(np.zeros((7, 2)))
    account(X[:3])
    assert bare.ledger.queries == 4 * 20
    assert (account.ledger.queries, account.ledger.price, account.left) == (20, 10.0, 80)


def test_a_bias_reaches_the_victim_through_every_wrapper():
    bias = Bias(np.full((50, 1), 2), np.full((50, 1), 9.0))
    bare = victim("logit", bias=9.0)
    oracle = cached(limited(budgeted(checked(top_k(rounded(tempered(bare, 1.0), 6), 3)), 500), 1e9), 10)
    assert oracle.access.bias == 9.0
    answer = oracle(X, bias)
    expected = top_k(rounded(victim("logit", bias=9.0), 6), 3)(X, bias)
    same(answer, expected)
    same(oracle(X, bias), expected)
    assert (label_only(bare)(X, bias).label == 2).mean() > 0.5
    with pytest.raises(InputError, match="takes none"):
        label_only(victim())(X, bias)


WRAPPERS = {
    "rounded": lambda oracle: rounded(oracle, 3),
    "top": lambda oracle: top_k(oracle, 2),
    "label": label_only,
    "noise": lambda oracle: noisy(oracle, 0.01, seed=2),
    "temperature": lambda oracle: tempered(oracle, 1.5),
    "budget": lambda oracle: budgeted(oracle, 1000),
    "cache": lambda oracle: cached(oracle, 100),
    "rate": lambda oracle: limited(oracle, 1e9),
    "check": checked,
}


@given(st.sampled_from(["probability", "logit"]), st.lists(st.sampled_from(list(WRAPPERS)), max_size=6))
def test_any_chain_either_refuses_to_be_built_or_answers_on_its_own_terms(level, names):
    oracle: Oracle = victim(level)
    scored, whole = True, True
    for name in names:
        sensible = (scored or name not in ("rounded", "top", "noise", "temperature")) and (
            whole or name not in ("noise", "temperature")
        )
        if not sensible:
            with pytest.raises(InputError):
                WRAPPERS[name](oracle)
            continue
        oracle = WRAPPERS[name](oracle)
        scored, whole = scored and name != "label", whole and name != "top"
    assert isinstance(oracle, Oracle)
    judge = checked(oracle, repeat=False)
    for _ in range(2):
        answer = judge(X)
        assert len(answer.label) == 50
    assert len(oracle(X[:0]).label) == 0
    if "cache" not in names:
        assert oracle.ledger.queries == 100 + names.count("check")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rounded(victim(), -1), "decimals is -1"),
        (lambda: rounded(victim("label"), 3), "no scores to be rounded"),
        (lambda: top_k(victim(), 0), "k is 0"),
        (lambda: top_k(victim(), 5), "k is 5"),
        (lambda: top_k(victim("label"), 1), "no scores to be picked"),
        (lambda: tempered(victim(), 0.0), "temperature is 0.0"),
        (lambda: tempered(victim(), np.nan), "temperature is nan"),
        (lambda: tempered(top_k(victim(), 2), 2.0), "before they are picked"),
        (lambda: noisy(victim(), 0.0), "scale is 0.0"),
        (lambda: noisy(victim(), 0.1, seed=-1), "seed is -1"),
        (lambda: noisy(victim("label"), 0.1), "no scores to be made noisy"),
        (lambda: noisy(top_k(victim(), 2), 0.1), "before they are picked"),
        (lambda: label_only(number()), "no labels"),
        (lambda: tempered(number(), 2.0), "no confidences"),
    ],
)
def test_a_defence_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def number():
    return from_function(lambda x: x.sum(1), Access(level="logit", classes=1, inputs=INPUTS))


def test_a_regressor_may_be_rounded_and_noisy():
    np.testing.assert_allclose(rounded(number(), 1)(X).logit[:, 0], np.round(X.sum(1), 1))
    answer = noisy(number(), 0.1)(X)
    assert isinstance(answer, Answer)
    assert not answer.label.any()
    assert 0.05 < (answer.logit[:, 0] - X.sum(1)).std() < 0.2

"""Attributes guessed from what a model answers, against naive rules, counts by hand and a survey of real people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_wine
from sklearn.tree import DecisionTreeClassifier

import jaxattack as ja
from jaxattack import Access, Answer, InputError, OracleError
from jaxattack.attacks.reconstruction import Knowledge, Partial
from jaxattack.attacks.reconstruction.attribute import Confidence, MaximumPosterior, TreeCounts, confusion_matrix
from jaxattack.attacks.reconstruction.secret import Secret
from jaxattack.attacks.reconstruction.tree import CountedTree
from jaxattack.types import Inputs

STEAK = Path(__file__).resolve().parents[4] / "shared" / "data" / "tabular" / "steak_survey.npz"


def answering(probability, features=2):
    """An oracle with the confidences that a function gives."""
    access = Access(level="probability", classes=probability(np.zeros((1, features))).shape[1], inputs=_box(features))
    return ja.oracle.from_function(probability, access)


def csmia(oracle, x, y, secret):
    return Confidence()(Knowledge(answers=oracle, partial=Partial(x, y, secret)))


def posterior(confusion):
    return lambda oracle, x, y, secret: MaximumPosterior()(
        Knowledge(answers=oracle, confusion=confusion, partial=Partial(x, y, secret))
    )


def precision(value, truth):
    """How often those that are said to have the secret have it."""
    return (truth[value == 1] == 1).mean()


def _box(features):
    return Inputs.box(0.0, 9.0, (features,))


def wine():
    """Records cut to whole numbers, of which the last is a secret of three values; members first."""
    x, y = load_wine(return_X_y=True)
    x = np.stack([np.digitize(column, np.quantile(column, [1 / 3, 2 / 3])) for column in x.T[:6]], axis=1).astype(float)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order], len(x) // 2


def grown(x, y, members, depth=None):
    """A tree over the members, as an oracle and in the attacker's hands."""
    estimator = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(x[:members], y[:members])
    return estimator, ja.oracle.from_estimator(estimator, inputs=_box(x.shape[1]))


def share(x, values=3):
    return np.bincount(x.astype(int), minlength=values) / len(x)


def test_the_posterior_is_the_prior_times_the_confusion_of_what_the_model_answers():
    x, y, members = wine()
    estimator, oracle = grown(x, y, members, depth=2)
    confusion = confusion_matrix(y[:members], estimator.predict(x[:members]), 3)
    secret = Secret.category(5, share(x[:members, 5]))
    found = posterior(confusion)(oracle, x, y, secret)
    for record in range(0, len(x), 7):
        scores = []
        for value in range(3):
            changed = x[record].copy()
            changed[5] = value
            scores.append(secret.prior[value] * confusion[y[record], estimator.predict(changed[np.newaxis])[0]])
        np.testing.assert_allclose(found.score[record], scores)
        assert found.score[record, found.value[record]] == max(scores)


def test_all_records_and_values_are_one_call():
    x, y, members = wine()
    _, oracle = grown(x, y, members)
    secret = Secret.category(5, share(x[:members, 5]))
    found = csmia(oracle, x, y, secret)
    assert (found.cost.queries, found.cost.calls) == (3 * len(x), 1)
    assert found.complete
    assert found.attack == "csmia"


@pytest.mark.parametrize("attack", [posterior(np.eye(3)), csmia])
def test_what_stands_in_the_secret_column_is_not_read(attack):
    x, y, members = wine()
    _, oracle = grown(x, y, members)
    secret = Secret.category(5, share(x[:members, 5]))
    blank = x.copy()
    blank[:, 5] = np.nan
    np.testing.assert_array_equal(attack(oracle, x, y, secret).score, attack(oracle, blank, y, secret).score)


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        ([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8]], 0),  # one value gives class 0
        ([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]], 1),  # of two the surer
        ([[0.4, 0.6], [0.1, 0.9], [0.2, 0.8]], 0),  # of none the least sure
    ],
)
def test_csmia_takes_the_one_match_or_the_surest_or_of_none_the_least_sure(confidence, expected):
    oracle = answering(lambda x: np.array(confidence)[x[:, 1].astype(int)])
    secret = Secret.category(1, np.array([0.2, 0.3, 0.5]))
    assert csmia(oracle, np.array([[4.0, 9.0]]), np.array([0]), secret).value[0] == expected


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=8))
def test_csmia_follows_its_three_cases(confidences):
    p = np.array(confidences) / 99
    oracle = answering(lambda x: np.stack([a := p[x[:, 0].astype(int), x[:, 1].astype(int)], 1 - a], axis=1))
    x = np.stack([np.arange(len(p)), np.zeros(len(p))], axis=1).astype(float)
    found = csmia(oracle, x[:9], np.zeros(len(p), int), Secret.category(1, np.full(3, 1 / 3)))
    for row, value in zip(p, found.value, strict=True):
        match, sure = row >= 0.5, np.maximum(row, 1 - row)
        best = sure[match].max() if match.any() else sure.min()
        assert match[value] == match.any()
        assert sure[value] == pytest.approx(best)


def test_ties_go_to_the_likelier_value():
    oracle = answering(lambda x: np.tile([0.7, 0.3], (len(x), 1)))
    secret = Secret.category(1, np.array([0.2, 0.5, 0.3]))
    np.testing.assert_array_equal(csmia(oracle, np.zeros((4, 2)), np.zeros(4, int), secret).value, 1)


def test_counts_of_a_tree_drawn_by_hand_give_the_score_of_the_formula():
    # The root asks whether x1 is at most .5 (of 10 records):
    #      x0 <= .5 (6)     class 1 (4)
    #   class 0 (2)  class 1 (4)
    tree = CountedTree(
        feature=np.array([1, 0, -2, -2, -2]),
        threshold=np.array([0.5, 0.5, 0, 0, 0]),
        left=np.array([1, 2, -1, -1, -1]),
        right=np.array([4, 3, -1, -1, -1]),
        count=np.array([10.0, 6, 2, 4, 4]),
        label=np.array([0, 0, 0, 1, 1]),
        features=2,
        classes=2,
    )
    secret = Secret.category(1, np.array([0.7, 0.3]))
    found = TreeCounts()(
        Knowledge(tree=tree, partial=Partial(np.array([[0.0, 5], [1.0, 5], [0.0, 5]]), np.array([0, 1, 1]), secret))
    )
    expected = [[0.7 * 0.2 / 0.6, 0], [0.7 * 0.4 / 0.6, 0.3 * 0.4 / 0.4], [0, 0.3 * 0.4 / 0.4]]
    np.testing.assert_allclose(found.score, expected)
    np.testing.assert_array_equal(found.value, [0, 0, 1])
    assert found.cost.queries == 0


def test_a_class_that_no_leaf_gives_is_a_class_all_the_same():
    """A record of it is consistent with no value: the likelier one is guessed, and the record is not refused."""
    x, y = np.repeat(np.eye(2), 8, axis=0), np.r_[np.zeros(8, int), np.ones(7, int), 2]
    tree = CountedTree.from_estimator(DecisionTreeClassifier(max_depth=1).fit(x, y))
    assert tree.label.max() == 1
    found = TreeCounts()(
        Knowledge(tree=tree, partial=Partial(x[-1:], y[-1:], Secret.category(1, np.array([0.3, 0.7]))))
    )
    np.testing.assert_array_equal(found.value, [1])


def test_the_leaf_reached_is_the_estimators_and_unknown_features_reach_both_children():
    x, y, members = wine()
    estimator, _ = grown(x, y, members)
    tree = CountedTree.from_estimator(estimator)
    reached = tree.reachable(x, np.ones(6, bool))
    np.testing.assert_array_equal((reached & (tree.feature < 0)).argmax(1), estimator.apply(x))
    assert tree.reachable(x, np.zeros(6, bool)).all()
    only = np.arange(6) == 5
    for row in tree.reachable(x[:5], only)[:, tree.feature < 0]:
        assert row.any()


def test_a_full_tree_tells_its_members_secret_and_not_that_of_others():
    x, y, members = wine()
    _, oracle = grown(x, y, members)
    secret = Secret.category(5, share(x[:members, 5]))
    truth = secret.truth(x)
    guess = posterior(np.eye(3))(oracle, x, y, secret).value
    inside, outside = guess[:members] == truth[:members], guess[members:] == truth[members:]
    assert inside.mean() > outside.mean()


def test_a_one_hot_secret_is_the_same_secret():
    x, y, members = wine()
    hot = np.concatenate([x[:, :5], x[:, 5:] == np.arange(3)], axis=1)
    estimator = DecisionTreeClassifier(random_state=0).fit(hot[:members], y[:members])
    oracle = ja.oracle.from_estimator(estimator, inputs=_box(8))
    prior = share(x[:members, 5])
    secret = Secret.one_hot((5, 6, 7), prior)
    np.testing.assert_array_equal(secret.truth(hot), x[:, 5])
    tried = secret.candidates(hot[:2])
    np.testing.assert_array_equal(tried[1, :, 5:], np.eye(3))
    np.testing.assert_array_equal(tried[1, :, :5], np.tile(x[1, :5], (3, 1)))
    found = csmia(oracle, hot, y, secret)
    plain = csmia(
        ja.oracle.from_function(
            lambda q: estimator.predict_proba(np.concatenate([q[:, :5], q[:, 5:] == np.arange(3)], axis=1)),
            Access(level="probability", classes=3, inputs=_box(6)),
        ),
        x,
        y,
        Secret.category(5, prior),
    )
    np.testing.assert_array_equal(found.score, plain.score)


def test_a_budget_that_ends_early_leaves_the_rest_to_the_prior():
    x, y, members = wine()
    _, oracle = grown(x, y, members)
    secret = Secret.category(5, share(x[:members, 5]))
    whole = csmia(oracle, x, y, secret)
    part = csmia(ja.oracle.budgeted(oracle, 31), x, y, secret)
    np.testing.assert_array_equal(part.value[:10], whole.value[:10])
    np.testing.assert_array_equal(part.value[10:], secret.prior.argmax())
    assert np.isnan(part.score[10:]).all()
    assert not part.complete
    assert "10 of 178 records" in part.reason
    assert part.cost.queries == 30
    with pytest.raises(InputError, match="at least 3 queries"):
        csmia(ja.oracle.budgeted(oracle, 2), x, y, secret)


def test_labels_alone_serve_the_posterior_and_not_confidences():
    x, y, members = wine()
    _, oracle = grown(x, y, members)
    secret, closed = Secret.category(5, share(x[:members, 5])), ja.oracle.label_only(oracle)
    attack = posterior(np.eye(3))
    np.testing.assert_array_equal(attack(closed, x, y, secret).value, attack(oracle, x, y, secret).value)
    with pytest.raises(InputError, match="csmia cannot work with label answers"):
        csmia(closed, x, y, secret)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.zeros((3, 2))}, "values has shape"),
        ({"values": np.zeros((1, 1)), "prior": np.ones(1)}, "at least 2"),
        ({"prior": np.array([0.5, 0.6])}, "sum to 1"),
        ({"prior": np.array([1.5, -0.5])}, "sum to 1"),
        ({"prior": np.array([1.0])}, "prior has shape"),
        ({"columns": (-1,)}, "counted from 0"),
    ],
)
def test_a_secret_that_is_none_is_refused(change, message):
    good = {"columns": (0,), "values": np.array([[0.0], [1.0]]), "prior": np.array([0.5, 0.5])}
    with pytest.raises(InputError, match=message):
        Secret(**(good | change))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((2, 3)), np.zeros(2, int), "x has shape"),
        (np.zeros((0, 2)), np.zeros(0, int), "at least one record"),
        (np.zeros((2, 2)), np.zeros(3, int), "y has shape"),
        (np.zeros((2, 2)), np.array([0, 2]), "0 to 1"),
        (np.zeros((2, 2)), np.array([0.0, 1.0]), "whole numbers"),
    ],
)
def test_records_that_do_not_fit_are_refused_before_anything_is_asked(x, y, message):
    oracle = answering(lambda x: np.tile([0.7, 0.3], (len(x), 1)))
    secret = Secret.category(1, np.array([0.5, 0.5]))
    before = oracle.ledger
    with pytest.raises(InputError, match=message):
        csmia(oracle, x, y, secret)
    assert oracle.ledger == before


def test_a_secret_beyond_the_records_a_regressor_and_nan_answers_are_refused():
    x, y = np.zeros((2, 2)), np.zeros(2, int)
    halves = np.array([0.5, 0.5])
    with pytest.raises(InputError, match="columns"):
        csmia(answering(lambda x: np.tile([0.7, 0.3], (len(x), 1))), x, y, Secret.category(2, halves))
    regressor = ja.oracle.from_function(lambda x: x[:, :1], Access(level="logit", classes=1, inputs=_box(2)))
    with pytest.raises(InputError, match="regressor"):
        csmia(regressor, x, y, Secret.category(1, halves))
    nan = ja.oracle.from_function(
        lambda x: Answer(np.zeros(len(x), int), np.full((len(x), 2), np.nan)),
        Access(level="probability", classes=2, inputs=_box(2)),
    )
    with pytest.raises(OracleError, match="NaN"):
        csmia(nan, x, y, Secret.category(1, halves))
    with pytest.raises(InputError, match="none of the secret's 2 values"):
        Secret.category(1, halves).truth(np.array([[0.0, 0.0], [0.0, 7.0]]))


@pytest.mark.parametrize("confusion", [np.ones((2, 3)), np.ones((2, 2)), np.array([[1.5, -0.5], [0, 1]])])
def test_counts_are_no_confusion_of_shares(confusion):
    oracle = answering(lambda x: np.tile([0.7, 0.3], (len(x), 1)))
    with pytest.raises(InputError, match="confusion"):
        posterior(confusion)(oracle, np.zeros((1, 2)), np.zeros(1, int), Secret.category(1, np.ones(2) / 2))


def test_a_confusion_of_other_classes_and_a_tree_that_is_none_are_refused():
    oracle = answering(lambda x: np.tile([0.7, 0.3], (len(x), 1)))
    with pytest.raises(InputError, match="confusion is of 3 classes"):
        posterior(np.eye(3))(oracle, np.zeros((1, 2)), np.zeros(1, int), Secret.category(1, np.ones(2) / 2))
    with pytest.raises(InputError, match="no fitted decision tree"):
        CountedTree.from_estimator(DecisionTreeClassifier())
    with pytest.raises(InputError, match="predicted"):
        confusion_matrix(np.array([0, 1]), np.array([0, 2]), 2)


def test_a_full_tree_over_the_steak_survey_tells_which_members_cheated():
    if not STEAK.exists():
        pytest.skip(f"the survey is not here: {STEAK}")
    with np.load(STEAK) as file:
        table, names = file["x"], [str(name) for name in file["columns"]]
    table = table[~np.isnan(table).any(axis=1)]
    target, column = (
        names.index("How do you like your steak prepared?"),
        names.index("Have you ever cheated on your significant other?"),
    )
    x, y = np.delete(table, target, axis=1), table[:, target].astype(int)
    column -= column > target
    inside, outside = [], []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(x))
        member, other = np.array_split(order, 2)
        estimator = DecisionTreeClassifier(random_state=seed).fit(x[member], y[member])
        oracle = ja.oracle.from_estimator(estimator, inputs=_box(x.shape[1]))
        secret = Secret.category(column, share(x[member, column], 2))
        attack = posterior(confusion_matrix(y[member], estimator.predict(x[member]), 5))
        for some, into in ((member, inside), (other, outside)):
            into.append(precision(attack(oracle, x[some], y[some], secret).value, secret.truth(x[some])))
    assert np.mean(inside) >= 0.9
    assert np.mean(outside) < 0.3

from __future__ import annotations

import warnings
import zipfile
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from jaxattack.oracle import from_estimator, from_skops
from jaxattack.types import InputError, Inputs

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (200, 4))
Y = (X @ RNG.normal(size=(4, 3)) + RNG.normal(scale=0.5, size=(200, 3))).argmax(1)
NUMBER = X @ RNG.normal(size=4)
QUERIES = RNG.uniform(-1, 1, (300, 4))


@pytest.mark.parametrize(
    "classifier",
    [
        LogisticRegression(),
        OneVsRestClassifier(LogisticRegression()),
        RandomForestClassifier(5, max_depth=3, random_state=0),
        DecisionTreeClassifier(max_depth=4, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda classifier: type(classifier).__name__,
)
@pytest.mark.parametrize("names", [[0, 1, 2], ["c", "a", "b"], [30, -1, 7]], ids=["numbers", "text", "gaps"])
def test_a_classifier_answers_as_scikit_learn_does_with_labels_from_zero(classifier, names):
    fitted = classifier.fit(X, np.array(names)[Y])
    oracle = from_estimator(fitted)
    answer = oracle(QUERIES)
    assert (oracle.access.level, oracle.access.classes, oracle.access.precision) == ("probability", 3, "float64")
    np.testing.assert_array_equal(answer.probability, fitted.predict_proba(QUERIES))
    np.testing.assert_array_equal(fitted.classes_[answer.label], fitted.predict(QUERIES))
    label = from_estimator(fitted, level="label")(QUERIES)
    np.testing.assert_array_equal(label.label, answer.label)
    assert label.probability is None
    assert label.label.dtype == answer.label.dtype == np.int64


def test_two_classes_have_logits_whose_softmax_are_the_confidences():
    fitted = LogisticRegression().fit(X, Y > 0)
    logit = from_estimator(fitted, level="logit")(QUERIES)
    np.testing.assert_array_equal(logit.logit[:, 0], 0)
    np.testing.assert_array_equal(logit.logit[:, 1], fitted.decision_function(QUERIES))
    odds = np.exp(logit.logit)
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), fitted.predict_proba(QUERIES), rtol=1e-12)
    np.testing.assert_array_equal(logit.label, fitted.predict(QUERIES))


@pytest.mark.parametrize("machine", [SVC(), LinearSVC(), SVC(decision_function_shape="ovo")])
def test_a_machine_without_confidences_answers_labels_or_scores(machine):
    fitted = machine.fit(X, Y)
    np.testing.assert_array_equal(from_estimator(fitted, level="label")(QUERIES).label, fitted.predict(QUERIES))
    with pytest.raises(InputError, match="answers label"):
        from_estimator(fitted, level="probability")
    if getattr(machine, "decision_function_shape", "ovr") == "ovo":  # its three scores are of pairs, not of classes
        assert from_estimator(fitted).access.level == "label"
        return
    answer = from_estimator(fitted)(QUERIES)
    np.testing.assert_array_equal(answer.logit, fitted.decision_function(QUERIES))
    np.testing.assert_array_equal(answer.label, answer.logit.argmax(1))


def test_an_estimator_of_values_that_start_above_zero_is_taken():
    fitted = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(Y[:, None] + 1, Y)
    inputs = Inputs(low=np.ones(1), high=np.full(1, 3.0), categories=np.zeros(1, int))
    x = np.array([[1.0], [3.0]])
    np.testing.assert_array_equal(from_estimator(fitted, inputs=inputs)(x).probability, fitted.predict_proba(x))


def test_an_estimator_that_lost_a_part_is_one_sentence():
    fitted = LogisticRegression().fit(X, Y)
    del fitted.intercept_
    with pytest.raises(InputError, match="intercept_"):
        from_estimator(fitted)


@pytest.mark.parametrize("regressor", [Ridge(), LinearRegression(), DecisionTreeRegressor(max_depth=4)])
def test_a_regressor_answers_one_number(regressor):
    oracle = from_estimator(regressor.fit(X, NUMBER))
    answer = oracle(QUERIES)
    assert (oracle.access.level, oracle.access.classes) == ("logit", 1)
    np.testing.assert_array_equal(answer.logit[:, 0], regressor.predict(QUERIES))
    assert not answer.label.any()
    with pytest.raises(InputError, match="answers logit"):
        from_estimator(regressor, level="label")


def naive_descent(tree, record, node=0):
    """The node where one record's descent ends, a step at a time."""
    feature = tree.feature[node]
    if feature < 0 or np.isnan(record[feature]):
        return node
    left = np.float32(record[feature]) <= tree.threshold[node]
    return naive_descent(tree, record, (tree.children_left if left else tree.children_right)[node])


@given(st.integers(1, 6), st.floats(0, 1), st.integers(0, 1000))
def test_a_partial_query_ends_where_its_descent_meets_a_missing_feature(depth, missing, seed):
    rng = np.random.default_rng(seed)
    tree = DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(X, Y)
    x = np.where(rng.random((40, 4)) < missing, np.nan, rng.uniform(-1, 1, (40, 4)))
    nodes = [naive_descent(tree.tree_, record) for record in x]
    oracle = from_estimator(tree, partial=True)
    assert oracle.access.inputs.missing
    np.testing.assert_array_equal(oracle(x).probability, tree.tree_.value[nodes, 0])
    np.testing.assert_array_equal(from_estimator(tree, partial=True, level="label")(x).label, oracle(x).label)


def test_complete_queries_of_a_partial_tree_answer_bit_for_bit_as_the_estimator():
    # Thresholds are midpoints of float32 values: queries on them tell whether comparing is done in float32.
    tree = DecisionTreeClassifier(random_state=0).fit(X, Y)
    regressor = DecisionTreeRegressor(random_state=0).fit(X, NUMBER)
    for fitted, predict in ((tree, tree.predict_proba), (regressor, regressor.predict)):
        x = QUERIES.copy()
        split = np.flatnonzero(fitted.tree_.feature >= 0)[: len(x)]
        x[np.arange(len(split)), fitted.tree_.feature[split]] = fitted.tree_.threshold[split]
        x = np.concatenate([x, np.nextafter(x, 2), np.nextafter(x, -2), 1e300 * x])
        answer = from_estimator(fitted, partial=True)(x)
        given_ = answer.probability if fitted is tree else answer.logit[:, 0]
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(given_[:-300], predict(x[:-300]))
        assert np.isfinite(given_).all()


def test_nothing_given_at_all_answers_with_the_whole_training_set():
    tree = DecisionTreeClassifier(random_state=0).fit(X, Y)
    answer = from_estimator(tree, partial=True)(np.full((1, 4), np.nan))
    np.testing.assert_allclose(answer.probability[0], np.bincount(Y) / len(Y))
    assert answer.label[0] == np.bincount(Y).argmax()
    regressor = DecisionTreeRegressor(random_state=0).fit(X, NUMBER)
    mean = from_estimator(regressor, partial=True)(np.full((1, 4), np.nan)).logit
    np.testing.assert_allclose(mean, [[NUMBER.mean()]])


def test_a_stump_of_one_leaf_answers_anything():
    tree = DecisionTreeClassifier().fit(X, np.r_[np.zeros(199), 1])
    stump = DecisionTreeClassifier(max_leaf_nodes=2, min_samples_leaf=100).fit(X, np.r_[np.zeros(199), 1])
    for fitted in (tree, stump):
        np.testing.assert_array_equal(
            from_estimator(fitted, partial=True)(QUERIES).probability, fitted.predict_proba(QUERIES)
        )


def test_missing_values_reach_an_estimator_that_takes_them_and_are_refused_in_a_sentence_by_others():
    inputs = Inputs.box(-1, 1, (4,), missing=True)
    x = np.where(RNG.random((20, 4)) < 0.3, np.nan, QUERIES[:20])
    boosted = HistGradientBoostingClassifier(max_iter=3).fit(X, Y)
    np.testing.assert_array_equal(from_estimator(boosted, inputs=inputs)(x).probability, boosted.predict_proba(x))
    oracle = from_estimator(LogisticRegression().fit(X, Y), inputs=inputs)
    with pytest.raises(InputError, match="does not take these queries"):
        oracle(x)
    assert oracle.ledger.queries == 0


def test_records_of_any_shape_are_flattened():
    fitted = LogisticRegression().fit(X, Y)
    oracle = from_estimator(fitted, inputs=Inputs.box(0, 1, (2, 2)))
    np.testing.assert_array_equal(oracle(QUERIES.reshape(-1, 2, 2)).probability, fitted.predict_proba(QUERIES))


def test_an_estimator_fitted_with_names_does_not_warn_of_arrays():
    fitted = LogisticRegression().fit(X, Y)
    fitted.feature_names_in_ = np.array(list("abcd"), object)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_estimator(fitted)(QUERIES)


@pytest.mark.parametrize(
    ("estimator", "settings", "message"),
    [
        (object(), {}, "is no scikit-learn estimator"),
        (LogisticRegression(), {}, "is not fitted"),
        (KMeans(2).fit(X), {}, "neither a classifier nor a regressor"),
        (DecisionTreeClassifier().fit(X, np.stack([Y, Y], 1)), {}, "several outputs"),
        (DecisionTreeClassifier().fit(X, np.zeros(len(X))), {}, "fitted on class 0 alone"),
        (DecisionTreeRegressor().fit(X, np.stack([Y, Y], 1)), {}, "2 numbers a record"),
        (DecisionTreeRegressor().fit(X, np.stack([Y, Y], 1)), {"partial": True}, "2 numbers a record"),
        (Ridge().fit(X, np.stack([Y, Y], 1)), {}, "2 numbers a record"),
        (LogisticRegression().fit(X, Y), {"inputs": Inputs.box(0, 1, (5,))}, "takes 4 features"),
        (LogisticRegression().fit(X, Y), {"partial": True}, "partial queries are for decision trees"),
        (DecisionTreeClassifier().fit(X, Y), {"level": "logit"}, "answers label or probability"),
    ],
)
def test_what_is_no_victim_is_refused(estimator, settings, message):
    with pytest.raises(InputError, match=message):
        from_estimator(estimator, **settings)


@pytest.fixture(scope="module")
def skops():
    return pytest.importorskip("skops.io")


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        MLPClassifier((3,), solver="adam", max_iter=1),
        MLPClassifier((3,), solver="sgd", max_iter=1),
        DecisionTreeClassifier(max_leaf_nodes=9),
        RandomForestClassifier(3),
        BaggingClassifier(DecisionTreeClassifier(), 3, max_features=2),
        GradientBoostingClassifier(n_estimators=2),
        SVC(),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2), method="isotonic", cv=2),
        VotingClassifier([("tree", DecisionTreeClassifier()), ("logistic", LogisticRegression())], voting="soft"),
        StackingClassifier([("machine", SVC()), ("boosted", GradientBoostingClassifier(n_estimators=2))], cv=2),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_skops_file_answers_as_the_estimator_that_was_saved(skops, tmp_path, estimator):
    fitted = estimator.fit(X, Y)
    skops.dump(fitted, tmp_path / "model.skops")
    answer, expected = from_skops(tmp_path / "model.skops")(QUERIES), from_estimator(fitted)(QUERIES)
    for given_, wanted in zip(answer, expected, strict=True):
        np.testing.assert_array_equal(given_, wanted) if wanted is not None else None


def test_a_saved_tree_takes_partial_queries_and_a_price(skops, tmp_path):
    skops.dump(DecisionTreeClassifier().fit(X, Y), tmp_path / "model.skops")
    oracle = from_skops(tmp_path / "model.skops", partial=True, level="label", price=0.5)
    assert oracle(np.full((1, 4), np.nan)).label[0] == np.bincount(Y).argmax()
    assert oracle.ledger.price == 0.5


def crafted(fitted, **changes):
    """A tree with one field of its root changed, as only a crafted file has it."""
    tree = fitted.tree_ if hasattr(fitted, "tree_") else fitted.estimators_.flat[0].tree_
    state = tree.__getstate__()
    for field, value in changes.items():
        state["nodes"][field][0] = value
    tree.__setstate__(state)
    return fitted


@pytest.mark.parametrize(
    "changes",
    [
        {"left_child": 10**6},
        {"right_child": -2},
        {"right_child": 0},
        {"left_child": -1},
        {"feature": 4},
        {"feature": -3},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [DecisionTreeClassifier, partial(GradientBoostingClassifier, n_estimators=1)])
def test_a_crafted_tree_in_a_skops_file_is_refused_before_it_is_asked(skops, tmp_path, changes, kind):
    skops.dump(crafted(kind(max_depth=3).fit(X, Y), **changes), tmp_path / "model.skops")
    with pytest.raises(InputError, match="nodes point outside"):
        from_skops(tmp_path / "model.skops")


@pytest.mark.parametrize(
    "kind",
    [
        DecisionTreeClassifier,
        partial(RandomForestClassifier, n_estimators=2),
        partial(GradientBoostingClassifier, n_estimators=1),
    ],
)
def test_a_tree_of_more_features_than_its_estimator_checks_is_refused(skops, tmp_path, kind):
    fitted = kind(max_depth=3).fit(np.tile(X, 3), Y)
    fitted.n_features_in_ = 4
    for part in np.ravel(getattr(fitted, "estimators_", [])):
        part.n_features_in_ = 4
    skops.dump(fitted, tmp_path / "model.skops")
    with pytest.raises(InputError, match="nodes point outside"):
        from_skops(tmp_path / "model.skops")


@pytest.mark.parametrize(
    "changes",
    [
        {"_dual_coef_": np.zeros((2, 3))},
        {"_n_support": np.array([10**6, 0, 0], np.int32)},
        {"_intercept_": np.zeros(1)},
        {"_probA": np.zeros(1)},
        {"support_": np.zeros(1, np.int32)},
        {"kernel": "precomputed"},
        {"_sparse": True},
        {"_impl": "epsilon_svr"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_crafted_machine_is_refused_before_it_is_asked(skops, tmp_path, changes):
    fitted = SVC().fit(X, Y)
    vars(fitted).update(changes)
    skops.dump(fitted, tmp_path / "model.skops")
    with pytest.raises(InputError, match="SVC of arrays that do not fit together"):
        from_skops(tmp_path / "model.skops")


@pytest.mark.parametrize(
    "change",
    [
        lambda fitted: {"estimators_": np.repeat(fitted.estimators_, 3, axis=1)},
        lambda fitted: {"init_": LogisticRegression().fit(X, Y > 0)},
    ],
)
def test_a_crafted_boosted_ensemble_is_refused_before_it_is_asked(skops, tmp_path, change):
    fitted = GradientBoostingClassifier(n_estimators=1).fit(X, Y > 0)
    vars(fitted).update(change(fitted))
    skops.dump(fitted, tmp_path / "model.skops")
    with pytest.raises(InputError, match="trees that do not fit together"):
        from_skops(tmp_path / "model.skops")


def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", bytes(70_000_000))
    with pytest.raises(InputError, match="unpacks to 70,000,000 bytes"):
        from_skops(tmp_path / "model.skops")


class Planted(LogisticRegression):
    """A type of the attacker's own, which loading would run."""

    def __setstate__(self, state):
        raise AssertionError("the file ran code")


def test_a_skops_file_with_a_type_of_its_own_is_refused_by_name_and_never_runs(skops, tmp_path):
    skops.dump(Planted().fit(X, Y), tmp_path / "model.skops")
    with pytest.raises(InputError, match=r"not trusted \(.*Planted\)"):
        from_skops(tmp_path / "model.skops")


def test_what_is_no_skops_file_is_refused(skops, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        from_skops(tmp_path / "absent.skops")
    skops.dump(LogisticRegression().fit(X, Y), tmp_path / "whole.skops")
    whole = (tmp_path / "whole.skops").read_bytes()
    for broken in (b"", b"no zip", whole[: len(whole) // 2], whole.replace(b"schema.json", b"schemA.json")):
        (tmp_path / "broken.skops").write_bytes(broken)
        with pytest.raises(InputError, match="cannot be read as a skops file"):
            from_skops(tmp_path / "broken.skops")


def test_a_missing_skops_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skops", None)
    with pytest.raises(InputError, match=r"needs skops: install it with: pip install "):
        from_skops(tmp_path / "model.skops")


def test_what_predicts_several_labels_a_record_is_refused():
    x = np.random.default_rng(0).normal(size=(60, 4))
    y = (x[:, :3] > 0).astype(int)
    several = [
        OneVsRestClassifier(LogisticRegression()),
        MultiOutputClassifier(LogisticRegression()),
        DecisionTreeClassifier(),
        MLPClassifier((4,), max_iter=20),
    ]
    for estimator in several:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(x, y)
        for level in (None, "label"):
            with pytest.raises(InputError, match="several (labels|outputs).*give an estimator of one"):
                from_estimator(estimator, level=level)

"""Estimators of scikit-learn that hold others: what they answer is their own, whatever they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from jaxattack.oracle import from_estimator
from jaxattack.types import InputError, Inputs

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (200, 4))
Y = (X @ RNG.normal(size=(4, 3)) + RNG.normal(scale=0.5, size=(200, 3))).argmax(1)
QUERIES = RNG.uniform(-1, 1, (300, 4))
PAIRS = SVC(decision_function_shape="ovo")


@pytest.mark.parametrize(
    "machine",
    [
        GridSearchCV(PAIRS, {"C": [1.0]}, cv=2),
        make_pipeline(StandardScaler(), GridSearchCV(PAIRS, {"C": [1.0]}, cv=2)),
        GridSearchCV(make_pipeline(StandardScaler(), PAIRS), {"svc__C": [1.0]}, cv=2),
        FrozenEstimator(make_pipeline(StandardScaler(), PAIRS).fit(X, Y)),
        BaggingClassifier(PAIRS, 2),
        StackingClassifier([("logistic", LogisticRegression())], PAIRS, cv=2),
        RFE(SVC(kernel="linear", decision_function_shape="ovo"), n_features_to_select=1.0),
    ],
)
def test_scores_of_pairs_are_known_through_whatever_hands_them_on(machine):
    """Of three classes they are three: as logits their argmax would be the label, and is another's."""
    fitted = machine.fit(X, Y)
    oracle = from_estimator(fitted, level="label")
    np.testing.assert_array_equal(oracle(QUERIES).label, fitted.predict(QUERIES))
    with pytest.raises(InputError, match="answers label"):
        from_estimator(fitted, level="logit")


@pytest.mark.parametrize("machine", [OneVsRestClassifier(PAIRS), OneVsOneClassifier(LinearSVC())])
def test_scores_of_classes_are_answered_whatever_they_are_made_of(machine):
    fitted = machine.fit(X, Y)
    np.testing.assert_array_equal(
        from_estimator(fitted, level="logit")(QUERIES).logit, fitted.decision_function(QUERIES)
    )


def test_an_estimator_with_a_threshold_of_its_own_says_that_its_labels_are_not_those_of_its_scores():
    fitted = FixedThresholdClassifier(LogisticRegression(), threshold=0.95).fit(X, Y > 0)
    oracle = from_estimator(fitted, inputs=Inputs.box(-1, 1, (4,)))
    np.testing.assert_array_equal(oracle(QUERIES).label, fitted.predict_proba(QUERIES).argmax(1))
    (note,) = oracle.notes
    assert "predicts another class than its probability says of" in note
    labels = from_estimator(fitted, level="label")
    np.testing.assert_array_equal(labels(QUERIES).label, fitted.predict(QUERIES))
    assert not labels.notes
    assert not from_estimator(LogisticRegression().fit(X, Y)).notes


@pytest.mark.parametrize(
    "columns",
    [
        ColumnTransformer([("scaled", StandardScaler(), ["age", "income"]), ("ward", OneHotEncoder(), ["ward"])]),
        ColumnTransformer([("age", StandardScaler(), make_column_selector(pattern="age"))]),
        FunctionTransformer(lambda frame: frame[["income", "ward"]]),
    ],
)
@pytest.mark.parametrize("level", ["label", "probability", "logit"])
def test_columns_that_are_picked_by_name_are_those_of_the_queries_in_their_order(columns, level):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": X[:, 0], "ward": RNG.integers(0, 3, len(X)), "unused": X[:, 1], "income": X[:, 2]})
    fitted = make_pipeline(columns, LogisticRegression()).fit(frame, Y)
    oracle = from_estimator(fitted, inputs=Inputs.box(-1, 2, (4,)), level=level)
    answer = oracle(frame.to_numpy(float))
    assert oracle.access.inputs.names == ("age", "ward", "unused", "income")
    np.testing.assert_array_equal(answer.label, fitted.predict(frame))
    if level != "label":
        expected = fitted.predict_proba(frame) if level == "probability" else fitted.decision_function(frame)
        np.testing.assert_array_equal(getattr(answer, level), expected)
    assert oracle.ledger.queries == len(frame)


def test_a_column_of_text_is_told_of_which_no_query_has_any():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"ward": ["north", "south"] * 100, "age": X[:, 0]})
    fitted = make_pipeline(ColumnTransformer([("ward", OneHotEncoder(), ["ward"])]), LogisticRegression())
    with pytest.raises(InputError, match="does not take these queries, numbers in columns of its names: "):
        from_estimator(fitted.fit(frame, Y))

"""Estimators of scikit-learn that hold others: what they answer is their own, whatever they are made of."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
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

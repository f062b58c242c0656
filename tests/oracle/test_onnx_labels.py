"""Graphs of skl2onnx beside the estimators that they are of: names of classifiers within, raw scores, and labels of their own."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, GradientBoostingClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from jaxattack.oracle import from_onnx
from jaxattack.oracle.graph_labels import names_beside
from jaxattack.types import InputError, Inputs

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (200, 4))
Y = (X @ RNG.normal(size=(4, 3))).argmax(1)
QUERIES = RNG.uniform(-1, 1, (300, 4)).astype(np.float32)
BOX = Inputs.box(-1, 1, (4,))


def exported(path, estimator, **options):
    kind = [("X", skl2onnx.common.data_types.FloatTensorType([None, 4]))]
    model = skl2onnx.convert_sklearn(estimator, initial_types=kind, options={id(estimator): options})
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    "estimator",
    [
        BaggingClassifier(LogisticRegression(), 2, random_state=0),
        StackingClassifier([("one", LogisticRegression())], cv=2),
        OneVsRestClassifier(LogisticRegression()),
    ],
)
@pytest.mark.parametrize("classes", [["b", "a", "c"], [7, -3, 100], [1, 2, 3], [0, 1, 2]])
def test_classifiers_within_that_were_fitted_on_numbers_do_not_name_the_classes(tmp_path, estimator, classes):
    """They were taken for those of the columns, and the graph for one that contradicts itself."""
    fitted = estimator.fit(X, np.array(classes)[Y])
    oracle = from_onnx(exported(tmp_path / "m.onnx", fitted, zipmap=False), inputs=BOX)
    np.testing.assert_allclose(oracle(QUERIES).probability, fitted.predict_proba(QUERIES), atol=1e-5)
    np.testing.assert_array_equal(fitted.classes_[oracle(QUERIES).label], fitted.predict(QUERIES))
    assert oracle.names in ((), tuple(map(str, fitted.classes_)))


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        GradientBoostingClassifier(n_estimators=3),
        OneVsRestClassifier(LogisticRegression()),
        AdaBoostClassifier(n_estimators=3),
    ],
)
def test_raw_scores_of_two_classes_are_behind_the_sigmoid_of_one(tmp_path, estimator):
    """They are -z and z: of both as logits the confidences would be those of 2 z."""
    fitted = estimator.fit(X, np.minimum(Y, 1))
    oracle = from_onnx(exported(tmp_path / "m.onnx", fitted, zipmap=False, raw_scores=True), inputs=BOX)
    np.testing.assert_allclose(oracle(QUERIES).probability, fitted.predict_proba(QUERIES), atol=1e-5)
    logit = from_onnx(tmp_path / "m.onnx", inputs=BOX, level="logit")(QUERIES).logit
    assert logit is not None
    np.testing.assert_array_equal(logit[:, 0], 0)
    np.testing.assert_allclose(logit[:, 1], fitted.decision_function(QUERIES), atol=1e-4)


def test_raw_scores_of_three_classes_are_logits(tmp_path):
    fitted = LinearSVC().fit(X, Y)
    oracle = from_onnx(exported(tmp_path / "m.onnx", fitted, raw_scores=True), inputs=BOX)
    expected = softmax(fitted.decision_function(QUERIES), axis=1)
    np.testing.assert_allclose(oracle(QUERIES).probability, expected, atol=1e-5)


def test_names_are_believed_dropped_or_the_scores_refused_by_the_labels_beside_them():
    def decided(column, labels, names):
        return names_beside("m.onnx", "scores", np.array(column), labels, names)

    assert decided([0, 2, 1], [7, 9, 8], ("7", "8", "9")) == (("7", "8", "9"), ())
    names, (note,) = decided([0, 2, 1], [7, 9, 9], ("7", "8", "9"))
    assert names == ("7", "8", "9")
    assert "of 1 of 3 random records the largest of scores is of another class than the graph's own label" in note
    assert decided([0, 2, 1], [7, 9, 8], ("0", "1", "2")) == ((), ())
    assert decided([1, 1, 1], ["b", "b", "b"], ("0", "1")) == ((), ())
    for column, labels in (([0, 1, 0], [1, 0, 1]), ([0, 0, 0], [1, 1, 1]), ([0, 1, 1], [5, 5, 6])):
        with pytest.raises(InputError, match="of 3 records the largest of scores is of another class"):
            decided(column, labels, ("0", "1"))

"""The missing record of a convex model, by the algebra of its minimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from jaxattack import InputError
from jaxattack.attacks.reconstruction import Convex, Knowledge, Known
from jaxattack.attacks.reconstruction.convex import solve
from jaxattack.attacks.reconstruction.linear_model import LinearModel


def digits(records, classes=10):
    x, y = load_digits(n_class=classes, return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:records]
    return x[order] / 16, y[order]


def from_sklearn(x, y, c=1.0):
    """A logistic regression of scikit-learn, as far down as its solver goes."""
    fitted = LogisticRegression(C=c, solver="newton-cholesky", tol=1e-13, max_iter=500).fit(x, y)
    loss = "logistic" if len(fitted.intercept_) == 1 else "softmax"
    return LinearModel(weight=fitted.coef_.T, bias=fitted.intercept_, loss=loss, penalty=1 / c)


@pytest.mark.parametrize("classes", [2, 10])
def test_a_logistic_regression_gives_every_record_away_in_turn(classes):
    x, y = digits(60, classes)
    victim = from_sklearn(x, y)
    for record in range(0, 60, 6):
        others = np.arange(60) != record
        found = solve(victim, x[others], y[others])
        np.testing.assert_allclose(found.x, x[record], atol=1e-5)
        assert found.y == y[record]
        assert np.isnan(found.residual) if classes == 2 else found.residual < 1e-5


def test_ridge_regression_gives_the_record_and_its_number():
    x, _ = digits(60)
    rng = np.random.default_rng(1)
    y = x @ rng.standard_normal((64, 3)) + 0.1 * rng.standard_normal((60, 3))
    fitted = Ridge(alpha=0.5, solver="cholesky").fit(x, y)
    victim = LinearModel(weight=fitted.coef_.T, bias=fitted.intercept_, loss="squared", penalty=0.5)
    found = solve(victim, x[1:], y[1:])
    np.testing.assert_allclose(found.x, x[0], atol=1e-8)
    np.testing.assert_allclose(found.y, y[0], atol=1e-8)
    one = LinearModel(weight=fitted.coef_[:1].T, bias=fitted.intercept_[:1], loss="squared", penalty=0.5)
    np.testing.assert_allclose(solve(one, x[1:], y[1:, 0]).y, y[0, :1], atol=1e-8)


def test_a_minimum_found_by_a_plain_optimiser_gives_the_record_too():
    x, y = digits(30, 3)
    x = x[:, 20:28]

    def objective(theta):
        weight, bias = theta[:24].reshape(8, 3), theta[24:]
        return -log_softmax(x @ weight + bias, axis=1)[np.arange(30), y].sum() + 0.5 * 0.3 * (weight**2).sum()

    theta = minimize(objective, np.zeros(27), options={"gtol": 1e-7}).x
    victim = LinearModel(weight=theta[:24].reshape(8, 3), bias=theta[24:], loss="softmax", penalty=0.3)
    found = solve(victim, x[1:], y[1:])
    np.testing.assert_allclose(found.x, x[0], atol=1e-3)
    assert found.y == y[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": np.zeros(2)}, "weight and bias have shapes"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"loss": "logistic"}, "softmax has 2 or more, logistic 1"),
        ({"weight": np.full((4, 3), np.nan)}, "NaN or infinite"),
        ({"penalty": -1.0}, "penalty is -1.0"),
    ],
)
def test_a_model_that_is_none_is_refused(change, message):
    good = {"weight": np.ones((4, 3)), "bias": np.zeros(3), "loss": "softmax", "penalty": 1.0}
    with pytest.raises(InputError, match=message):
        LinearModel(**(good | change))


def test_records_and_labels_that_do_not_fit_are_refused():
    victim = LinearModel(weight=np.ones((4, 3)), bias=np.zeros(3), loss="softmax", penalty=1.0)
    with pytest.raises(InputError, match="takes 4 features"):
        solve(victim, np.zeros((2, 5)), np.zeros(2, int))
    with pytest.raises(InputError, match="other training records and their labels"):
        solve(victim, np.zeros((2, 4)), np.zeros(3, int))
    with pytest.raises(InputError, match="classes 0 to 2"):
        solve(victim, np.zeros((2, 4)), np.array([0, 3]))


def test_nothing_missing_is_told():
    x, y = digits(60, 2)
    with pytest.raises(InputError, match="no influence on this model, or nothing is missing"):
        solve(from_sklearn(x, y), x, y, tolerance=1e-6)


def test_a_scaler_before_the_model_is_undone():
    x, y = digits(60, 3)
    x = x[:, 18:30] * np.arange(1, 13)  # columns of different scales
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-13, max_iter=500))
    victim = LinearModel.from_estimator(pipeline.fit(x, y))
    assert victim.penalty == 1
    missing = solve(victim, x[1:], y[1:])
    np.testing.assert_allclose(missing.x, x[0], atol=1e-5)
    assert missing.y == y[0]


def test_estimators_of_sklearn_are_read_with_their_penalty():
    x, y = digits(60, 2)
    one = LinearModel.from_estimator(LogisticRegression(C=4.0).fit(x, y))
    assert (one.loss, one.penalty, one.weight.shape) == ("logistic", 0.25, (64, 1))
    ridge = LinearModel.from_estimator(Ridge(alpha=0.5).fit(x, x[:, :3]))
    assert (ridge.loss, ridge.penalty, ridge.weight.shape) == ("squared", 0.5, (64, 3))


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (SVC(), "SVC is no fitted linear model"),
        (LogisticRegression(fit_intercept=False), "fit_intercept of the LogisticRegression is False"),
        (LogisticRegression(solver="liblinear"), "solver of the LogisticRegression is 'liblinear'"),
        (LogisticRegression(class_weight="balanced"), "class_weight"),
        (Ridge(positive=True), "positive of the Ridge is True"),
        (make_pipeline(MinMaxScaler(), LogisticRegression()), "behind a StandardScaler"),
    ],
)
def test_an_estimator_of_another_objective_is_refused(estimator, message):
    x, y = digits(60, 2)
    with pytest.raises(InputError, match=message):
        LinearModel.from_estimator(estimator.fit(x, y))


def test_an_estimator_that_is_not_fitted_is_refused():
    with pytest.raises(InputError, match="no fitted linear model"):
        LinearModel.from_estimator(LogisticRegression())


def test_a_record_without_influence_is_left_out_of_several():
    x, y = digits(60, 2)
    victim = from_sklearn(x, y)
    others = Known(x[1:], y[1:])
    made = Convex(tolerance=1e-6)(Knowledge(linear=victim, known=(others, Known(x, y))))
    np.testing.assert_allclose(made.value[0], x[0], atol=1e-5)
    assert np.isnan(made.value[1]).all()
    assert np.isnan(made.score[1])
    assert made.label.tolist() == [y[0], -1]
    assert not made.complete
    assert made.reason == "1 of 2 records have no influence on the model."

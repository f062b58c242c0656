"""Victims of scikit-learn to steal from, fitted on any data set in a moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from jaxattack.attacks.extraction import Binned, Kernel, OneVsRest, PathFinding, Retraining, Softmax
from jaxattack.attacks.extraction.substitute import Substitute
from jaxattack.oracle import BinnedLogistic, from_estimator, from_function
from jaxattack.oracle.identity import fingerprint_of
from jaxattack.types import Access, ExtractionAttack, Inputs, Level, Oracle


class Service(NamedTuple):
    """A fitted victim.

    Attributes:
        oracle: how much it answers, price -> what is asked.
        estimator: of scikit-learn, for attacks that read what it has learnt; None where it is none.
    """

    oracle: Callable[[Level, float], Oracle]
    estimator: Any = None


Fit = Callable[[np.ndarray, np.ndarray, Inputs, int], Service]


class Estimator(NamedTuple):
    """A kind of victim.

    Attributes:
        about: what it is, in a line.
        attack: the one that fits it.
        level: how much it answers where nothing else is said.
        fullest: how much it could answer.
        fit: x["record feature"], y, what it documents, seed -> Service.
    """

    about: str
    attack: ExtractionAttack
    level: Level
    fullest: Level
    fit: Fit


def _plain(make: Callable[[int], Any], **terms: Any) -> Fit:
    """An estimator asked as it is."""

    def fit(x, y, inputs, seed):
        fitted = make(seed).fit(x, y)
        return Service(
            lambda level, price: from_estimator(fitted, inputs=inputs, level=level, price=price, **terms), fitted
        )

    return fit


def _retraining(substitute: str) -> Retraining:
    return Retraining(strategy="adaptive", substitute=Substitute(architecture=substitute))


def _scaled(classifier: Any) -> Any:
    return make_pipeline(StandardScaler(), classifier)


def _kernel(x: np.ndarray, y: np.ndarray, inputs: Inputs, seed: int, representers: int = 20):
    """Kernel logistic regression on a few training records, which its answers give away."""
    center = np.random.default_rng(seed).choice(len(x), size=min(representers, len(x)), replace=False)
    gamma = 1 / (x.shape[1] * x.var())
    fitted = LogisticRegression(max_iter=2000).fit(rbf_kernel(x, x[center], gamma=gamma), y)
    classes = len(fitted.classes_)

    def answer(queries, level):
        p = fitted.predict_proba(rbf_kernel(queries, x[center], gamma=gamma))
        return p if level == "probability" else p.argmax(axis=1)  # columns, and no names of classes

    def make(level: Level, price: float) -> Oracle:
        access = Access(level=level, classes=classes, inputs=inputs)
        content = lambda: {"estimator": fingerprint_of([fitted, x[center], gamma])}  # noqa: E731 - a name would be called once
        return from_function(partial(answer, level=level), access, price=price, content=content)

    return Service(make)


def _binned(x: np.ndarray, y: np.ndarray, inputs: Inputs, seed: int):  # noqa: ARG001 - nothing here is random
    pipeline = BinnedLogistic.fit(x, y, inputs)
    return Service(lambda level, price: pipeline.oracle(level=level, price=price))


ESTIMATORS: dict[str, Estimator] = {
    "logistic": Estimator(
        "logistic regression of scikit-learn", Softmax(), "probability", "probability",
        _plain(lambda _: _scaled(LogisticRegression(max_iter=2000))),
    ),
    "newton": Estimator(
        "the same at its minimum, by Newton's method", Softmax(), "probability", "probability",
        _plain(lambda _: _scaled(LogisticRegression(solver="newton-cholesky", tol=1e-8, max_iter=2000))),
    ),
    "ovr": Estimator(
        "a logistic regression for each class against the rest", OneVsRest(), "probability", "probability",
        _plain(lambda _: _scaled(OneVsRestClassifier(LogisticRegression(max_iter=2000)))),
    ),
    "tanh": Estimator(
        "a network with 20 tanh units", _retraining("mlp:20"), "probability", "probability",
        _plain(lambda seed: _scaled(MLPClassifier((20,), activation="tanh", max_iter=2000, random_state=seed))),
    ),
    "kernel": Estimator("kernel logistic regression with 20 representers", Kernel(), "probability", "probability", _kernel),
    "svm": Estimator(
        "a support vector machine with an RBF kernel, labels only", _retraining("rbf"), "label", "label",
        _plain(lambda seed: _scaled(SVC(random_state=seed))),
    ),
    "tree": Estimator(
        "a decision tree", PathFinding(), "probability", "probability",
        _plain(lambda seed: DecisionTreeClassifier(min_samples_leaf=3, random_state=seed)),
    ),
    "full-tree": Estimator(
        "a decision tree grown until every leaf is pure", PathFinding(), "probability", "probability",
        _plain(lambda seed: DecisionTreeClassifier(random_state=seed)),
    ),
    "partial-tree": Estimator(
        "a decision tree that takes records with missing features", PathFinding(partial=True), "probability", "probability",
        _plain(lambda seed: DecisionTreeClassifier(min_samples_leaf=3, random_state=seed), partial=True),
    ),
    "regression-tree": Estimator(
        "a regression tree of the class number", PathFinding(), "logit", "logit",
        _plain(lambda seed: DecisionTreeRegressor(min_samples_leaf=5, random_state=seed)),
    ),
    "binned": Estimator(
        "features cut into bins by quantiles, then logistic regression; records may miss features", Binned(),
        "probability", "probability", _binned,
    ),
}  # fmt: skip

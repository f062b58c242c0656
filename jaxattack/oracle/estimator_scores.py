"""What a fitted estimator of scikit-learn computes of queries, by the level at which it is answered."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import is_regressor
from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from jaxattack.types import InputError, Level

Scores = Callable[[Any], np.ndarray]
"""x["query feature"], an array or a table -> scores["query cls"], or labels."""

Ask = Callable[[str, np.ndarray], np.ndarray]
"""level, x["query *feature"] -> as `Scores`."""


def asker(
    estimator: Any, scores: Mapping[str, Scores], levels: Collection[str], x: Float[np.ndarray, "query *feature"]
) -> Ask:
    """Asks an estimator in the form in which it takes queries: as arrays, or as tables where it picks columns by their names.

    Args:
        estimator: a fitted one.
        scores: what it computes, by level.
        levels: those at which it is to be asked.
        x: queries of the middle of what it takes: what every query would meet is met here.

    Raises:
        InputError: it takes them in no form; also whenever it is asked about such queries later.
    """
    names = getattr(estimator, "feature_names_in_", None)

    def ask(level: str, x: np.ndarray, *, table: bool = False) -> np.ndarray:
        flat = x.reshape(len(x), -1).astype(np.float64)
        # It was fitted on a table with names and warns of plain arrays, which is all that a service is sent.
        with nullcontext() if names is None else warnings.catch_warnings(), np.errstate(all="ignore"):
            if names is not None:
                warnings.simplefilter("ignore", UserWarning)
            try:
                return scores[level](_table(flat, names) if table else flat)
            except InputError:
                raise
            except Exception as error:  # an estimator that was changed after its fit may raise anything
                reason = str(error).partition("\n")[0]
                form = ", numbers in columns of its names" if table else ""
                raise InputError(f"{type(estimator).__name__} does not take these queries{form}: {reason}") from error

    def as_table(level: str, x: np.ndarray) -> np.ndarray:
        return ask(level, x, table=True)

    try:
        for level in levels:
            ask(level, x)
    except InputError:
        if names is None or find_spec("pandas") is None:
            raise
        for level in levels:
            as_table(level, x)
        return as_table
    return ask


def _table(x: Float[np.ndarray, "query feature"], names: Any) -> Any:
    import pandas

    return pandas.DataFrame(x, columns=names)


def unlike(estimator: Any, scored: Ask, level: Level, x: Float[np.ndarray, "query *feature"]) -> list[str]:
    """That it predicts other classes than its scores say, in a sentence; nothing where no random record shows it."""
    try:
        count = int((scored("label", x) != scored(level, x).argmax(axis=1)).sum())
    except InputError:  # it does not take random records, which nobody has asked it about
        return []
    if not count:
        return []
    return [
        f"{type(estimator).__name__} predicts another class than its {level} says of {count} of {len(x)} random records: labels here are "
        f"those of the {level}; choose level label for what it predicts."
    ]


def scores_of(estimator: Any) -> Mapping[str, Scores]:
    """What a fitted classifier or regressor computes, by the level at which it is answered."""
    if is_regressor(estimator):
        return {"logit": lambda x: one_number(np.asarray(estimator.predict(x)))}
    scores: dict[str, Scores] = {"label": lambda x: _column_of(estimator, np.asarray(estimator.predict(x)))}
    if hasattr(estimator, "predict_proba"):
        scores["probability"] = estimator.predict_proba
    pairs = getattr(_within(estimator), "decision_function_shape", "ovr") == "ovo" and len(estimator.classes_) > 2
    if hasattr(estimator, "decision_function") and not pairs:
        scores["logit"] = lambda x: _per_class(estimator.decision_function(x))
    return scores


def _within(estimator: Any) -> Any:
    """The estimator whose scores are answered: within pipelines, searches and whatever else hands its own on."""
    while True:
        if isinstance(estimator, Pipeline):
            inner = estimator[-1]
        elif isinstance(estimator, FrozenEstimator):
            inner = estimator.estimator
        else:
            handed = isinstance(estimator, BaggingClassifier) or not hasattr(estimator, "estimators_")
            names = ("best_estimator_", "final_estimator_", *(("estimator_",) if handed else ()))
            inner = next((getattr(estimator, name) for name in names if hasattr(estimator, name)), None)
        if inner is None:
            return estimator
        estimator = inner


def _column_of(estimator: Any, predicted: np.ndarray) -> Int[np.ndarray, "query"]:
    if predicted.size != len(predicted):
        raise InputError(f"{type(estimator).__name__} predicts several labels a record: give an estimator of one.")
    order = np.argsort(estimator.classes_)
    return order[np.searchsorted(estimator.classes_[order], predicted.ravel())]


def one_number(predicted: np.ndarray) -> Float[np.ndarray, "query 1"]:
    """The predictions of a regressor.

    Raises:
        InputError: several a record.
    """
    if predicted.size != len(predicted):
        raise InputError(f"the regressor predicts {predicted[0].size} numbers a record: give one of one output.")
    return predicted.reshape(-1, 1)


def _per_class(score: np.ndarray) -> Float[np.ndarray, "query cls"]:
    return np.column_stack([np.zeros_like(score), score]) if score.ndim == 1 else score

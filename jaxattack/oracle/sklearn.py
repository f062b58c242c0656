"""Victims of scikit-learn: fitted estimators, and files that skops wrote. Nothing is ever unpickled.

    from_estimator(estimator)            a fitted classifier or regressor, computed in float64
    from_skops("model.skops")            the same from a file

What each level answers, labels being numbered 0 to classes - 1 in the order of ``classes_``:

    ===========  ===================  ====================  =========================================================
    victim       label                probability           logit
    ===========  ===================  ====================  =========================================================
    classifier   ``predict``          ``predict_proba``     ``decision_function``; [0, d] where it is one number d
    regressor    refused              refused               ``predict``, one output
    ===========  ===================  ====================  =========================================================

Beside scores the label is their argmax; an estimator whose ``predict`` does not follow its scores, such as a
multi-class SVC or one with a threshold of its own, differs from that at the level ``label`` alone, and ``notes`` says so.

Tables. An estimator that was fitted on a table with names is asked with arrays; where it then picks its columns by these names, with
tables of them.

Partial queries. With ``partial=True`` a decision tree takes NaN for a feature that is not given, and answers with the
distribution (a regressor: the mean) of the node where the descent first meets one, as BigML's trees do (Tramèr et al.
2016, section 4.2). Complete queries answer as the estimator does, bit for bit.

Files. A skops file is loaded if skops trusts every type in it, or the type is one of three kinds that answering cannot be
harmed by: the optimizers of a neural network, which hold numbers and are not used to answer; what holds the estimators of
calibrated, voting and stacked classifiers, which is Python on arrays; and the nodes of decision trees, which skops distrusts
because a crafted file can send scikit-learn reading outside of its memory. What such a file
can do, with trusted types too, is in `jaxattack.oracle.skops_safety`, which checks it before anything is asked of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.validation import check_is_fitted

from jaxattack.npz import printable
from jaxattack.oracle.estimator_scores import Scores, asker, one_number, scores_of, unlike
from jaxattack.oracle.identity import of_estimator, of_file, probes
from jaxattack.oracle.ledger import PRICE, CountingOracle, Tell
from jaxattack.oracle.skops_safety import refuse_crafted, refuse_promises
from jaxattack.release import installation
from jaxattack.types import Access, Answer, Bias, InputError, Inputs, Level

INSTALL = f"install it with: {installation('serve')}"

_KNOWN = (
    "sklearn.tree._tree.Tree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.utils._bunch.Bunch",
)


def from_estimator(
    estimator: Any,
    *,
    inputs: Inputs | None = None,
    level: Level | None = None,
    partial: bool = False,
    price: float = PRICE,
) -> CountingOracle:
    """A fitted scikit-learn estimator as a victim.

    Args:
        estimator: a classifier of one output, or a regressor of one; a pipeline that ends in one.
        inputs: the records that the service takes, flattened for the estimator; by default as many numbers as it was
            fitted on, each from -1 to 1.
        level: how much it answers; by default probabilities where it has them, else logits.
        partial: a decision tree takes NaN for a feature that is not given, as the module says.
        price: of a query, in dollars.

    Raises:
        InputError: no fitted estimator of one output, a level that it cannot answer, records of another size, or
            partial queries of what is no decision tree.
    """
    return _victim(estimator, inputs, level, partial, price, lambda: of_estimator(estimator))


def _victim(
    estimator: Any, inputs: Inputs | None, level: Level | None, partial: bool, price: float, content: Tell
) -> CountingOracle:
    _fitted(estimator)
    inputs = _inputs(inputs, estimator)
    if partial:
        if not isinstance(estimator, DecisionTreeClassifier | DecisionTreeRegressor):
            raise InputError(f"partial queries are for decision trees and this is a {type(estimator).__name__}.")
        inputs = replace(inputs, missing=True)
    scores = _tree_scores(estimator) if partial else scores_of(estimator)
    level = level or next(name for name in ("probability", "logit", "label") if name in scores)
    if level not in scores:
        raise InputError(f"level is {level!r} and {type(estimator).__name__} answers {' or '.join(scores)}.")
    classes = 1 if is_regressor(estimator) else len(estimator.classes_)
    middle = np.clip(0.0, inputs.low, inputs.high)[np.newaxis]
    scored = asker(estimator, scores, {level, "label"} & scores.keys(), middle)

    def ask(x: np.ndarray, _: Bias | None) -> Answer:
        return _from_scores(scored(level, x), level)

    notes = () if level == "label" or is_regressor(estimator) else unlike(estimator, scored, level, probes(inputs))
    access = Access(level=level, classes=classes, inputs=inputs)
    names = () if is_regressor(estimator) else [class_name(one) for one in estimator.classes_]
    return CountingOracle(ask, access, price, content, names, notes)


def from_skops(
    path: str | Path,
    *,
    inputs: Inputs | None = None,
    level: Level | None = None,
    partial: bool = False,
    price: float = PRICE,
) -> CountingOracle:
    """A scikit-learn estimator that was saved with skops, as a victim.

    Args:
        path: the file.
        inputs: as `from_estimator`.
        level: as `from_estimator`.
        partial: as `from_estimator`.
        price: of a query, in dollars.

    Raises:
        InputError: skops is not installed; no such file, or no skops file; types that are not trusted, all of them
            named; a file that was crafted to do harm; or what `from_estimator` raises.
    """
    try:
        from skops import io as skops
    except ImportError as error:
        raise InputError(f"{path} needs skops: {INSTALL}.") from error
    try:
        refuse_promises(path)
        read = of_file(path)
        unknown = skops.get_untrusted_types(file=path)
        refused = sorted({*unknown} - {*_KNOWN})
        if refused:
            raise InputError(
                f"{path} holds types that are not trusted ({printable(refused)}): export the model as ONNX instead."
            )
        estimator = skops.load(path, trusted=unknown)
        refuse_crafted(path, estimator)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give a file that skops wrote.") from error
    except InputError:
        raise
    except Exception as error:  # any byte of the file may be wrong, and each is another module's to notice
        raise InputError(
            f"{path} cannot be read as a skops file ({_first_line(error)}): save the model with skops."
        ) from error
    return _victim(estimator, inputs, level, partial, price, lambda: read)


def _first_line(error: Exception) -> str:
    return (str(error).partition("\n")[0] or type(error).__name__)[:300]


def _fitted(estimator: Any) -> None:
    name = type(estimator).__name__
    if not isinstance(estimator, BaseEstimator):
        raise InputError(f"a {name} is no scikit-learn estimator: give a fitted classifier or regressor.")
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise InputError(f"the {name} is not fitted: fit it first.") from error
    classes = getattr(estimator, "classes_", None)
    if classes is None and not is_regressor(estimator):
        raise InputError(f"{name} is neither a classifier nor a regressor: give one.")
    if isinstance(classes, list):
        raise InputError(f"{name} has several outputs: give an estimator of one.")
    if classes is not None and not is_regressor(estimator) and len(classes) < 2:
        raise InputError(
            f"{name} was fitted on class {class_name(classes[0])} alone and answers nothing else: fit it on two classes."
        )
    if not hasattr(estimator, "n_features_in_"):
        raise InputError(f"{name} does not say how many features it takes: give an estimator with n_features_in_.")


def class_name(label: Any) -> str:
    """What a class is called: whole numbers and Booleans as the number, as data sets name theirs."""
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    plain = label.item() if isinstance(label, np.generic) else label
    integral = isinstance(plain, bool | int) or (isinstance(plain, float) and plain.is_integer())
    return str(int(plain) if integral else plain)


def _inputs(inputs: Inputs | None, estimator: Any) -> Inputs:
    """What it documents of its records, with the names of the columns that it was fitted on, where it knows them."""
    features = int(estimator.n_features_in_)
    if inputs is None:
        inputs = Inputs.box(-1.0, 1.0, (features,))
    if prod(inputs.shape) != features:
        raise InputError(f"the inputs have shape {inputs.shape} and the model takes {features} features: mend them.")
    return (
        inputs if inputs.names else replace(inputs, names=tuple(map(str, getattr(estimator, "feature_names_in_", ()))))
    )


def _tree_scores(estimator: Any) -> Mapping[str, Scores]:
    tree = estimator.tree_
    value = tree.value.reshape(tree.node_count, -1)
    if is_regressor(estimator):
        return {"logit": lambda x: one_number(value[descend(tree, x)])}
    return {
        "label": lambda x: value[descend(tree, x)].argmax(1),
        "probability": lambda x: value[descend(tree, x)],
    }


def descend(tree: Any, x: Float[np.ndarray, "query feature"]) -> Int[np.ndarray, "query"]:
    """The node of a scikit-learn tree where each query ends: a leaf, or the first node that asks for a missing feature.

    Args:
        tree: the ``tree_`` of a fitted estimator.
        x: the queries, NaN where a feature is not given. They are compared in float32, as scikit-learn does.
    """
    x = x.astype(np.float32)
    feature, threshold = tree.feature, tree.threshold
    child = np.stack([tree.children_left, tree.children_right])
    node = np.zeros(len(x), np.int64)
    falling = np.arange(len(x))
    while len(falling):
        at = node[falling]
        value = x[falling, feature[at].clip(min=0)]
        onward = (feature[at] >= 0) & ~np.isnan(value)
        falling, at = falling[onward], at[onward]
        node[falling] = child[(value[onward] > threshold[at]).astype(int), at]
    return node


def _from_scores(scores: np.ndarray, level: Level) -> Answer:
    if level == "label":
        return Answer(scores.astype(np.int64))
    label = scores.argmax(1).astype(np.int64)
    return Answer(label, scores) if level == "probability" else Answer(label, None, scores)
